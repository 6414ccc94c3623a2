"""The template editor in a real browser: colours while typing, and the preview of what is typed."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from django.contrib.sessions.models import Session

from notifications.models import Template, TemplateVersion
from notifications.rendering.pool import _ours
from portal.highlight import pieces
from tenants.models import Tenant
from tests.browser.conftest import log_in
from tests.browser.webdriver import Browser
from tests.portal.conftest import make_template

NASTY = (
    "", " ", "plain", "\n", "<p>{{ a }}</p>", "{{ open", "{% x", "<!-- {{", "<!-- -- ->", "<a",
    "{{ a }} } %}", "a < b", "a <b", "<a {{b}}>", "<a {% if b %}c{% endif %}>", "{%}", "{%%}",
    "{{}}", "{{}}}", "{{{ a }}}", "{{ '%}' }}", "{% '}}' %}", "<!-->", "<!--->", "<!---->",
    "<!-- <p> -->x-->", "</", "</a", "</ a>", "<a<b>", "<a\nb\n>", "<1>", "<é>", "<!DOCTYPE html>",
    "{% raw %}{{ x }}{% endraw %}", "{", "{ {", "%}", "}}", "{{\n}\n}}", "😀{{ '😀' }}<b>😀</b>👩‍👩‍👧",
    "a\u2028<x\u2028>\u2029", "\ufeff{{ a }}", "<a b='{'>", "<a b='>'>", "&lt;p&gt;",
    "x" * 100_000, "{" * 100_000, "{{" * 50_000, "{%" * 50_000, "<a" * 50_000, "<" * 100_000,
    "<!-" * 33_000, "<!--" * 25_000, "{{ a }" * 16_000, "<p class='x'>{{ a }}</p>\n" * 4_000,
)  # fmt: skip
LAYER = "document.querySelector('#id_en-text').previousElementSibling"
SPANS = f"return [...{LAYER}.children].map(s => [s.className, s.textContent])"


def value(name: str) -> str:
    return f"document.querySelector('#id_{name}').value"


def shown(part: str) -> str:
    return f"return document.querySelector('#live-{part}').textContent"


def kept() -> list[Any]:
    return list(TemplateVersion.objects.order_by("pk").values())


@pytest.fixture
def row(tenant: Tenant) -> Template:
    return make_template(tenant)


@pytest.fixture
def editor(browser: Browser, base: str, row: Template) -> Browser:
    log_in(browser, base)
    browser.open(f"{base}/portal/notifications/template/{row.pk}/edit/?version=2")
    return browser


def random_sources() -> list[str]:
    dice = random.Random(24)  # noqa: S311
    some = [
        "{",
        "}",
        "%",
        "<",
        ">",
        "!",
        "-",
        "/",
        "a",
        " ",
        "\n",
        "😀",
        "{{",
        "%}",
        "<!--",
        "-->",
    ]
    return ["".join(dice.choices(some, k=dice.randrange(40))) for _ in range(2_000)]


def test_the_script_finds_what_the_server_finds(editor: Browser) -> None:
    sources = [*NASTY, *random_sources()]
    found = editor.run(
        "return import('/static/portal/editor.js')"
        f".then(module => {json.dumps(sources)}.map(source => module.pieces(source)))"
    )
    for source, one in zip(sources, found, strict=True):
        assert one == [list(piece) for piece in pieces(source)], source[:80]


@pytest.mark.parametrize("width", [1280, 390])
def test_what_is_typed_is_coloured_and_shown_and_not_saved(width: int, editor: Browser) -> None:
    before = kept()
    editor.resize(width, 844)
    editor.until(shown("text"), "Hello anew.")
    editor.type("#id_en-text", "\n<b>{{ who }}</b>{% if who %}!{% endif %}")
    assert editor.run(SPANS) == [
        ["hiram-code-plain", "Hello anew.\n"], ["hiram-code-html", "<b>"],
        ["hiram-code-output", "{{ who }}"], ["hiram-code-html", "</b>"],
        ["hiram-code-tag", "{% if who %}"], ["hiram-code-plain", "!"],
        ["hiram-code-tag", "{% endif %}"],
    ]  # fmt: skip
    editor.until(shown("text"), "Hello anew.\n<b>you</b>!")
    editor.type("#id_en-html", "<h2>{{ who }}</h2>")
    frame = "document.querySelector('#live-html')"
    editor.until(f"return {frame}.srcdoc.includes('<h2>you</h2>')")
    assert editor.run(f"return {frame}.getAttribute('sandbox')") == ""
    editor.type("#id_en-html", "\n{% nosuch %}")
    editor.until("return document.querySelector('#live-findings').hidden", False)
    assert "line 2, column 4" in editor.text("#live-findings")
    assert "en, HTML" in editor.text("#live-findings")
    assert "the last preview without" in editor.text("#live-state")
    assert "<h2>you</h2>" in editor.run(f"return {frame}.srcdoc")
    editor.click("#live-findings a")
    assert editor.run("return document.activeElement.id") == "id_en-html"
    assert editor.console() == []
    assert kept() == before
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert editor.run(wide) <= 0


def test_locale_width_and_data_are_chosen(editor: Browser) -> None:
    editor.until(shown("text"), "Hello anew.")
    editor.run(f'{value("live-given")} = \'{{"who": "Ada"}}\'')
    editor.click("#live summary")
    editor.type("#id_live-given", " ")
    editor.until(shown("subject"), "Hello Ada")
    editor.click("#id_live-width option[value=wide]")
    frame = "return document.querySelector('#live-html')"
    assert editor.run(f"{frame}.title") == "HTML part, 680 pixels wide"
    assert editor.run(f"{frame}.offsetWidth") == 680
    editor.click("#id_live-width option[value=narrow]")
    assert editor.run(f"{frame}.offsetWidth") == 360
    editor.click("#edit section:nth-of-type(2) summary")
    editor.type("#id_new-locale", "pt-BR")
    editor.type("#id_new-subject", "Oi {{ who }}")
    editor.type("#id_new-text", "Oi!")
    editor.click("#id_live-locale option[value=pt-BR]")
    editor.until(shown("subject"), "Oi Ada")
    assert editor.text("#live-in") == "pt-BR"


def test_the_field_stays_a_field(editor: Browser) -> None:
    """Selecting, undoing, scrolling and reading aloud are the browser's own, in the dark too."""
    box = "document.querySelector('#id_en-text')"
    assert editor.run(f"return {LAYER}.getAttribute('aria-hidden')") == "true"
    text = "".join(f"\nline {n} {{{{ who }}}} and a long, long way to the end" for n in range(40))
    editor.run(f"{box}.value += {json.dumps(text)}")
    editor.type("#id_en-text", "!")
    same = [f"{LAYER}.{what} === {box}.{what}" for what in ("clientWidth", "clientHeight", "scrollHeight", "scrollTop")]  # fmt: skip
    assert editor.run(f"return {box}.scrollTop > 0")
    editor.until(f"return [{', '.join(same)}].join()", "true,true,true,true")
    editor.run(f"{box}.scrollTop = 33")
    editor.until(f"return {LAYER}.scrollTop", 33)
    editor.type("#id_en-text", "\ue009z\ue000")
    assert editor.run(f"return {box}.value.endsWith('end')")
    assert editor.run(f"return {LAYER}.textContent === {box}.value + '\\n'")
    for theme in ("light", "dark"):
        editor.run(f"document.documentElement.className = {json.dumps(theme)}")
        colours = editor.run(
            f"const style = getComputedStyle, layer = {LAYER}, box = {box};"
            "return [style(layer.querySelector('.hiram-code-output')).color, style(layer).color,"
            " style(box).webkitTextFillColor, style(box).caretColor, style(box).backgroundColor]"
        )
        output, plain, letters, caret, back = colours
        assert len({output, plain, letters}) == 3
        assert letters == back == "rgba(0, 0, 0, 0)"
        assert caret == plain
    assert editor.run(
        f"const at = {box}.getBoundingClientRect();"
        f"return document.elementFromPoint(at.x + 20, at.y + 20) === {box}"
    )


def test_a_long_source_has_no_colours_and_its_letters(editor: Browser) -> None:
    box = "document.querySelector('#id_en-text')"
    editor.run(f"{box}.value = '<p>{{{{ who }}}}</p>\\n'.repeat(6_000)")
    editor.type("#id_en-text", "!")
    assert editor.run(f"return {box}.value.length") > 100_000
    assert editor.run(SPANS) == []
    letters = f"return getComputedStyle({box}).webkitTextFillColor"
    assert editor.run(letters) != "rgba(0, 0, 0, 0)"
    editor.run(f"{box}.value = '{{{{ who }}}}'")
    editor.type("#id_en-text", "!")
    assert editor.run(letters) == "rgba(0, 0, 0, 0)"
    assert editor.run(SPANS) == [["hiram-code-output", "{{ who }}"], ["hiram-code-plain", "!"]]


def test_an_older_answer_never_comes_after_a_newer_one(editor: Browser) -> None:
    editor.until(shown("text"), "Hello anew.")
    editor.run(
        "const own = window.fetch; window.asked = 0;"
        "const gate = new Promise(open => { window.open_gate = open; });"
        "window.fetch = async (...given) => {"
        " const answer = await own(...given); if (++window.asked === 1) await gate; return answer; }"
    )
    editor.type("#id_en-text", " Older.")
    editor.until("return window.asked", 1)
    editor.type("#id_en-text", " Newer.")
    assert editor.run(shown("text")) == "Hello anew."
    editor.run("window.open_gate()")
    editor.until(shown("text"), "Hello anew. Older. Newer.")
    editor.until("return window.asked", 2)


def test_when_the_renderers_are_busy_it_is_tried_again(
    editor: Browser, base: str, tenant: Tenant
) -> None:
    editor.until(shown("text"), "Hello anew.")
    with _ours._lent(str(tenant.pk)):
        editor.type("#id_en-text", " And?")
        editor.until("return document.querySelector('#live-state').textContent.includes('busy')")
        assert editor.run(shown("text")) == "Hello anew."
    editor.until(shown("text"), "Hello anew. And?")
    assert editor.run(shown("state")) == ""


def test_who_is_logged_out_is_told_and_loses_nothing(editor: Browser) -> None:
    editor.until(shown("text"), "Hello anew.")
    Session.objects.all().delete()
    editor.type("#id_en-text", " And?")
    editor.until(f"{shown('state')}.startsWith('You are logged out.')")
    assert editor.run(shown("text")) == "Hello anew."
    assert editor.run(f"return {value('en-text')}") == "Hello anew. And?"


def test_without_the_script_it_is_a_form(
    browser: Browser, base: str, tenant: Tenant, row: Template
) -> None:
    log_in(browser, base)
    browser.without("*editor.js")
    browser.open(f"{base}/portal/notifications/template/{row.pk}/edit/?version=2")
    browser.type("#id_en-text", " Really.")
    assert browser.run("return document.querySelector('#live').offsetHeight") == 0
    assert browser.all(".hiram-code, .hiram-columns") == []
    browser.click("#edit button[type=submit]:not([name])")
    browser.find("#versions")
    assert TemplateVersion.objects.get(template=row, number=2).locales["en"]["text"] == (
        "Hello anew. Really."
    )
