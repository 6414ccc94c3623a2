"""What is done to a version's parts at publish, and that Liquid comes through it."""

from __future__ import annotations

import pytest

from notifications.rendering import Flaw, Source, render, work

HEAD = "<!DOCTYPE html><html><head>"


def flaw(part: str, line: int | None, detail: str, code: str = "template_syntax") -> list[Flaw]:
    return [Flaw(part, line, None, code, detail)]


def test_what_is_no_html_stays() -> None:
    parts = {"subject": "A {{ x }}", "text": "{% if x %}b{% endif %}"}
    assert work(parts) == parts
    assert work({"body": "{{ x }}"}) == {"body": "{{ x }}"}


def test_html_without_styles_stays_and_has_a_text() -> None:
    html = "<h1>Hi {{ name }}</h1>\n<tr {% if a %}class='b'{% endif %}>&nbsp;<p>Bye"
    assert work({"html": html}) == {"html": html, "text": "Hi {{ name }}\n\nBye\n"}


def test_a_given_text_stays() -> None:
    assert work({"html": "<p>a</p>", "text": "b"}) == {"html": "<p>a</p>", "text": "b"}


def test_styles_go_into_their_elements() -> None:
    html = (
        HEAD + "<title>{{ t }}</title><style>p { color: {{ c }} } a:hover { color: red }"
        " @media print { p { color: {{ d }} } }</style></head><body>"
        '<p style="width: {{ w }}px">a</p></body></html>'
    )
    assert work({"html": html, "text": ""}) == {
        "text": "",
        "html": HEAD + "<title>{{ t }}</title><style>a:hover { color: red; }\n"
        "@media print { p { color: {{ d }} } }</style></head><body>"
        '<p style="color: {{ c }};width: {{ w }}px">a</p></body></html>',
    }


@pytest.mark.parametrize(
    "inside",
    [
        "<table><tbody>{% for i in l %}<tr>{% if i %}<td>a{{ i }}</td>{% endif %}</tr>{% endfor %}</tbody></table>",
        '<a href="https://x.example/{{ a }}?b={{ c | url_encode }}">{{ "}" | append: \'>\' }}</a>',
        '<td class="{% if a > b %}c{% else %}d{% endif %}">x</td>'.replace("td", "i"),
        '<i {% if a %}title="x" {% endif %}>x</i>',
        '<i {% if a %}id="b" {% else %}id="c" {% endif %}>x</i>',
        "<select>{% for i in l %}<option>{{ i }}</option>{% endfor %}</select>",
        "<!--[if mso]><i>{{ a }}</i>{% if b %}<![endif]-->{% endif %}",
        "<textarea>{{ a }} < {% if b %}{% endif %}</textarea>",
        "{% raw %}{{ a }}<p>{% endraw %}{% comment %}<p>{% endcomment %}{%- assign a = 1 -%}",
        "lq0x lqq1x <!--lq0x-->{{ a }}",
        "{{ a }}{{ b }}{{ c }}".replace("}}{{", "}}&amp;{{"),
    ],
)
def test_liquid_comes_through(inside: str) -> None:
    before, after = HEAD + "<style>b{}</style></head><body>", "</body></html>"
    made = work({"html": before + inside + after, "text": "x"})
    assert isinstance(made, dict)
    html = made["html"]
    assert html[html.index("<body>") + 6 : -len(after)] == inside.replace(
        "{{ a }} < {%", "{{ a }} &lt; {%"
    )


@pytest.mark.parametrize(
    ("html", "line", "detail"),
    [
        ("a\n<{{ x }}>", 2, "an element's name cannot come from Liquid"),
        ("a\n\n<i {% if a %} id='b' {% else %} id='c' {% endif %}>", 3,
         "an attribute is there twice: put the condition into its value"),
        ("<p>\n</p><style>i { color: {% if a %}red{% endif %} }</style><i>1</i><i>2</i>", 2,
         "{% if a %} is doubled here"),
        ("<div>a</div>\n<p>x</p {{ a }}><style>p{}</style>", 2, "{{ a }} gets lost here"),
    ],
)  # fmt: skip
def test_what_would_not_come_through_is_refused(html: str, line: int, detail: str) -> None:
    assert work({"html": html}) == flaw("html", line, detail)


MJML = (
    "<mjml><mj-head><mj-title>{{ t }}</mj-title></mj-head><mj-body>\n{% for i in l %}"
    "<mj-section><mj-column><mj-text>Hi {{ i }}</mj-text>\n{% if x %}"
    '<mj-button href="https://x.example/{{ u }}?a=1&amp;b=2">Go</mj-button>{% endif %}'
    "</mj-column></mj-section>{% endfor %}</mj-body></mjml>"
)


def test_mjml_becomes_html() -> None:
    made = work({"subject": "s", "mjml": MJML})
    assert isinstance(made, dict)
    assert list(made) == ["subject", "text", "html"]
    assert made["text"] == (
        "{% for i in l %}Hi {{ i }}\n{% if x %}Go (https://x.example/{{ u }}?a=1&b=2)\n"
        "{% endif %}{% endfor %}"
    )
    source = Source({"html": made["html"]}, {}, frozenset({"html"}))
    data = {"t": "T", "l": ["<a>", "b"], "x": True, "u": "u"}
    (rendered,) = render(source, [data])
    assert isinstance(rendered, dict)
    assert rendered["html"].count("Hi &lt;a&gt;") == rendered["html"].count("Hi b") == 1
    assert rendered["html"].count('href="https://x.example/u?a=1&amp;b=2"') == 2
    assert "fonts.googleapis" not in made["html"]


@pytest.mark.parametrize(
    ("mjml", "line", "detail"),
    [
        ("<mjml><mj-body><mj-section></mj-body></mjml>", None,
         "MJML: unexpected end of stream"),
        ("<mjml><mj-body>{% assign a = 1 %}\n\n<mj-include path='/etc/passwd'/></mj-body></mjml>", 3,
         "MJML: unable to load included template"),
        ("<mjml><mj-head>\n{% if a %}{% endif %}</mj-head><mj-body></mj-body></mjml>", 2,
         "{% if a %} gets lost here"),
    ],
)  # fmt: skip
def test_mjml_that_is_none(mjml: str, line: int | None, detail: str) -> None:
    assert work({"mjml": mjml}) == flaw("mjml", line, detail)


def test_the_layout_goes_around() -> None:
    layout = "<i>\n{{ content }}\n</i>{% render 'foot' %}"
    partials = {"layout": layout, "foot": "f"}
    assert work({"html": "<b>{{ a }}</b>", "text": "t"}, partials) == {
        "text": "t",
        "html": "<i>\n<b>{{ a }}</b>\n</i>{% render 'foot' %}",
    }
    assert work({"html": "a\n<{{ x }}>"}, partials) == flaw(
        "html", 2, "an element's name cannot come from Liquid"
    )
    for broken, line in (("<{{ y }}>\n{{content}}", 1), ("\n{{-content-}}\n\n<{{ x }}>", 4)):
        assert work({"html": "a\nb"}, {"layout": broken}) == flaw(
            "partials.layout", line, "an element's name cannot come from Liquid"
        )
    assert work({"html": "a"}, {"layout": "b"}) == flaw(
        "partials.layout", None, "it has no {{ content }}"
    )


def test_a_layout_of_the_other_kind_stays_away() -> None:
    made = work({"mjml": MJML, "text": "t"}, {"layout": "<i>{{ content }}</i>"})
    assert isinstance(made, dict)
    assert "<i>" not in made["html"]
    assert work({"html": "a", "text": "t"}, {"layout": "<mjml>{{ content }}</mjml>"}) == {
        "html": "a", "text": "t",
    }  # fmt: skip


def test_broken_liquid_is_refused_first() -> None:
    assert work({"html": "\n{% if a"}) == [
        Flaw("html", 2, 1, "template_syntax", "missing tag name or closing delimiter")
    ]
    assert work({"html": "a", "mjml": "b"}) == flaw("mjml", None, "there is HTML and MJML")


def test_nothing_is_read_or_fetched(tmp_path: object) -> None:
    link = f'<link rel="stylesheet" href="{tmp_path}/a.css"><link rel="stylesheet" href="/etc/passwd">'
    made = work({"html": f"<style>p{{}}</style>{link}<p>a</p>", "text": ""})
    assert isinstance(made, dict)
    assert "root:" not in made["html"]


@pytest.mark.parametrize(
    "html",
    ["<style>" + "a," * 90000 + "b{c:d}</style>" + "<a>" * 30000, "<style>b{}</style>" + "<div>" * 90000,
     "<table>" * 60000 + "<style>b{}</style>", "<a '" * 90000 + "{{ x }}<style>b{}</style>"],
    ids=["selectors", "depth", "tables", "quotes"],
)  # fmt: skip
def test_what_is_too_much_ends(html: str) -> None:
    made = work({"html": html})
    assert isinstance(made, dict) or made[0].code in {
        "template_limit", "template_syntax", "template_error", "template_too_slow",
    }  # fmt: skip
