"""The language: what comes out, and what is said where nothing can."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.rendering import Flaw, Source, check, render


def one(parts: dict[str, str], data: dict[str, Any], **more: Any) -> dict[str, str] | Flaw:
    return render(Source(parts, **more), [data])[0]


@pytest.mark.parametrize(
    ("text", "data", "made"),
    [
        ("Hi {{ name }}!", {"name": "Ana"}, "Hi Ana!"),
        ("{{ user.name }} {{ items[1] }}", {"user": {"name": "B"}, "items": [1, 2]}, "B 2"),
        ("{{ n }}|{{ yes }}|{{ none }}", {"n": 1.5, "yes": True, "none": None}, "1.5|true|"),
        ("{% for i in l %}{{ forloop.index }}{{ i }} {% endfor %}", {"l": ["a", "b"]}, "1a 2b "),
        ("{% if x %}a{% else %}b{% endif %}", {}, "b"),
        ("{% unless x.y %}a{% endunless %}", {}, "a"),
        ("{% if x == blank and n == blank and s == blank %}a{% endif %}", {"n": None, "s": " "}, "a"),
        ("{% if x != blank %}a{% endif %}{% if x.size > 0 %}b{% endif %}", {}, ""),
        ("{{ x | default: 'there' }} {{ u.x | default: 'T' | upcase }}", {"u": {}}, "there T"),
        ("{{ when | date: '%d.%m.%Y' }}", {"when": "2026-01-31T10:00:00Z"}, "31.01.2026"),
        ("{{ l | sort | join: ', ' }} {{ 7 | divided_by: 2 }}", {"l": ["b", "a"]}, "a, b 3"),
        ("{% assign a = 'x' %}{% capture b %}{{ a }}y{% endcapture %}{{ b }}", {}, "xy"),
        ("{% raw %}{{ no }}{% endraw %}{% comment %}{{ no }}{% endcomment %}", {}, "{{ no }}"),
        ("{{ x }}<b>", {"x": "<i>&"}, "<i>&<b>"),
    ],
)  # fmt: skip
def test_renders(text: str, data: dict[str, Any], made: str) -> None:
    assert one({"text": text}, data) == {"text": made}


@pytest.mark.parametrize(
    ("html", "made"),
    [
        ("<b>{{ x }}</b>", "<b>&lt;i&gt;&amp;&#34;</b>"),
        ("{{ x | append: '<br>' }}", "&lt;i&gt;&amp;&#34;<br>"),
        ("{{ l | join: '<br>' }}", "&lt;1&gt;<br>&lt;2&gt;"),
        ("{{ l }}", "&lt;1&gt;&lt;2&gt;"),
        ("{% capture c %}{{ x }}{% endcapture %}{{ c }}", "&lt;i&gt;&amp;&#34;"),
        ("{% capture c %}{{ x }}{% endcapture %}{{ c | strip_html }}", "&lt;i&gt;&amp;&#34;"),
        ("{{ x | escape }}", "&lt;i&gt;&amp;&#34;"),
        ("{{ '&lt;i&gt;' | escape_once }}{{ y | escape_once }}", "&lt;i&gt;&lt;i&gt;"),
        ("{{ x | url_encode | url_decode }}", "&lt;i&gt;&amp;&#34;"),
        ("{{ x | base64_encode | base64_decode }}", "&lt;i&gt;&amp;&#34;"),
        ("{{ t | newline_to_br }}", "&lt;<br />\n&gt;"),
        ("{{ d }}", "{&#39;k&#39;: &#39;&lt;&#39;}"),
        ("{% render 'p', x: x %}", "<p>&lt;i&gt;&amp;&#34;</p>"),
    ],
)
def test_escapes_in_html(html: str, made: str) -> None:
    data = {"x": '<i>&"', "y": "&lt;i&gt;", "l": ["<1>", "<2>"], "t": "<\n>", "d": {"k": "<"}}
    more = {"partials": {"p": "<p>{{ x }}</p>"}, "escaped": frozenset({"html"})}
    assert one({"html": html}, data, **more) == {"html": made}


def test_a_subject_is_one_line() -> None:
    made = one(
        {"subject": " A {{ x }}\n b ", "text": "{{ x }}"}, {"x": "1\r\nBcc:\x7f e@x.example\x85"}
    )
    assert made == {"subject": "A 1 Bcc: e@x.example b", "text": "1\nBcc:\x7f e@x.example\x85"}


@pytest.mark.parametrize(
    ("text", "line", "column", "name"),
    [
        ("a\n{{ user_name }}", 2, 4, "user_name"),
        ("{{ user.name }}", 1, 4, "user.name"),
        ("{{ user.x.y }}", 1, 4, "user.x"),
        ("{{ x | plus: 1 }}", 1, 4, "x"),
        ("{{ x | date: '%Y' }}", 1, 4, "x"),
        ("{{ 'a' | append: x }}", 1, 18, "x"),
        ("{% for i in items %}{% endfor %}", 1, 13, "items"),
        ("{% assign a = x %}\n{{ a }}", 1, 15, "x"),
    ],
)
def test_names_what_is_undefined(text: str, line: int, column: int, name: str) -> None:
    assert one({"text": text}, {"user": {}}) == Flaw(
        "text", line, column, "undefined_variable", name
    )


def test_says_where_in_a_partial() -> None:
    flaw = one({"text": "{% render 'p' %}"}, {}, partials={"p": "\n{{ x }}"})
    assert flaw == Flaw("partials.p", 2, 4, "undefined_variable", "x")


@pytest.mark.parametrize(
    ("text", "line", "column", "detail"),
    [
        ("{% if a", 1, 1, "missing tag name or closing delimiter"),
        ("a\n{% if a %}\nb", 3, None, "expected tag endif, found end of expression"),
        ("a {{ b", 1, 3, "expected '}}', found end of file"),
        ("\n {% nope %}", 2, 5, "unexpected tag 'nope'"),
        ("{{ a | nope }}", 1, 8, "unknown filter 'nope'"),
        ("{% if a %}{{ b | safe }}{% endif %}", 1, 18, "unknown filter 'safe'"),
        ("{% for i in a %}{% if i %}{{ '' | escapejs }}{% endif %}{% endfor %}", 1, 35,
         "unknown filter 'escapejs'"),
        ("{% render 'q' %}", 1, 11, "there is no partial 'q'"),
        ("{% include '/etc/passwd' %}", 1, 12, "there is no partial '/etc/passwd'"),
        ("{% extends 'p' %}", 1, 4, "unexpected tag 'extends'"),
        ("{{ a b }}", 1, 6, "expected end of expression, found word"),
    ],
)  # fmt: skip
def test_finds_at_save(text: str, line: int, column: int | None, detail: str) -> None:
    assert check(Source({"text": text}, {"p": ""})) == [
        Flaw("text", line, column, "template_syntax", detail)
    ]


def test_finds_what_is_wrong_in_each() -> None:
    flaws = check(Source({"subject": "{% if", "text": "ok"}, {"p": "{{ 1 | nope }}"}))
    assert [(flaw.part, flaw.code) for flaw in flaws] == [
        ("subject", "template_syntax"),
        ("partials.p", "template_syntax"),
    ]


def test_each_data_set_has_its_own_end() -> None:
    made = render(Source({"text": "{{ x }}"}), [{"x": 1}, {}, {"x": "\ud800"}, {"x": 3}])
    assert made == [
        {"text": "1"},
        Flaw("text", 1, 4, "undefined_variable", "x"),
        Flaw("text", None, None, "template_error", "it cannot be rendered: UnicodeEncodeError"),
        {"text": "3"},
    ]


def test_more_than_are_sent_at_once_keep_their_order() -> None:
    made = render(Source({"text": "{{ x }}"}), [{"x": number} for number in range(1000)])
    assert made == [{"text": str(number)} for number in range(1000)]


def test_no_data_no_work() -> None:
    assert render(Source({"text": "{{ x }}"}), []) == []


@pytest.mark.parametrize("path", ["''.__class__", "x.__class__", "x.upper", "l.append", "d.items"])
def test_no_attribute_is_reached(path: str) -> None:
    made = one({"text": f"{{{{ {path} }}}}"}, {"x": "s", "l": [], "d": {}})
    assert isinstance(made, Flaw)


def test_no_address_in_memory_comes_out() -> None:
    text = "{{ l | map: 'k' | append: '' }} {{ blank | append: '' }}{{ empty }}"
    assert one({"text": text}, {"l": [{"k": 1}, {}]}) == {"text": "[1, ] "}


def test_no_nul_comes_out() -> None:
    assert one({"text": "{{ '%00' | url_decode }}"}, {}) == Flaw(
        "text", None, None, "template_error", "its output has a NUL character in it"
    )
