"""`python -m notifications.renderer.press`: one locale's parts made ready, once, at publish.

MJML becomes HTML, styles go into the elements they are for, and a text part is made where there is
none. That is native code working on what a stranger wrote: it has a process for itself.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import css_inline
import mjml
from inscriptis import get_text
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_document_state import HtmlDocumentState
from inscriptis.model.tag import CustomHtmlTagHandlerMapping

from notifications.renderer import wire
from notifications.renderer.confine import Confined
from notifications.renderer.protect import Protected, Unprotected

MEMORY_OCTETS = 256 * wire.MEBIBYTE
CPU_SECONDS = 3
_POSITION = re.compile(r" in root template(?: at position (\d+):\d+)?")
_ATTRIBUTES = r"(?:[^>\"']|\"[^\"]*\"|'[^']*')*"
_ROW = re.compile(rf"<(/?)(?:table|thead|tbody|tfoot|tr)\b{_ATTRIBUTES}>", re.IGNORECASE)
_CELL = re.compile(rf"<(/?)t[dh]\b{_ATTRIBUTES}>", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\xa0]{3,}")
_LINES = re.compile(r"\n{3,}")
_ONLY_TAGS = re.compile(r"^((?:\{%(?:(?!%\}).)*%\})+)\n", re.MULTILINE)


def pressed(parts: dict[str, str]) -> dict[str, str]:
    """The parts: `html`, from `mjml` if that is there, and `text`.

    Raises:
        Unprotected: something in them is wrong.
    """
    made = {name: text for name, text in parts.items() if name != "mjml"}
    source = parts.get("mjml", parts.get("html"))
    if source is None:
        return made
    put_away = Protected(source)
    html = put_away.text
    if "mjml" in parts:
        html = _from_mjml(put_away)
        put_away.check(html)
    if "text" not in parts:
        text = _text(put_away, html)
        if text.strip():
            made["text"] = text
    if "<style" in html.lower():
        html = _INLINER.inline(html)
        put_away.check(html)
    made["html"] = put_away.restored(html)
    return made


def _from_mjml(put_away: Protected) -> str:
    try:
        # Without `fonts` no mail loads one from anywhere, unless its author says so.
        return mjml.mjml2html(put_away.text, fonts={}, include_loader=_no_file)
    except ValueError as error:
        position = _POSITION.search(str(error))
        line = 0
        if position and position[1]:
            line = put_away.restored(put_away.text[: int(position[1])]).count("\n") + 1
        raise Unprotected(f"MJML: {_POSITION.sub('', str(error))}", line) from error


def _no_file(path: str) -> str:
    raise ValueError(f"mj-include is not possible: {path[:100]}")


_INLINER = css_inline.CSSInliner(
    load_remote_stylesheets=False,
    keep_link_tags=True,
    keep_style_tags=True,
    keep_at_rules=True,
    remove_inlined_selectors=True,
)


def _text(put_away: Protected, html: str) -> str:
    """What a reader without HTML sees: lines for rows, and addresses behind the links' words."""
    rows = _ROW.sub(lambda found: f"<{found[1]}div>", html)
    cells = _CELL.sub(lambda found: "</span> &#160; " if found[1] else "<span>", rows)
    handlers = CustomHtmlTagHandlerMapping({"a": _link_begins}, {"a": _link_ends})
    config = ParserConfig(display_links=True, custom_html_tag_handler_mapping=handlers)
    text = get_text(put_away.words(cells), config)
    lines = (_BLANKS.sub("  ", line.strip(" \t\xa0")) for line in text.splitlines())
    text = _LINES.sub("\n\n", "\n".join(lines).strip("\n")) + "\n"
    return _ONLY_TAGS.sub(r"\1", put_away.restored(text))


def _link_begins(state: HtmlDocumentState, attributes: dict[str, str]) -> None:
    state.link_target = attributes.get("href", "")


def _link_ends(state: HtmlDocumentState) -> None:
    if state.link_target and not state.link_target.startswith("#"):
        state.tags[-1].write(f" ({state.link_target.removeprefix('mailto:')})")


def _answer(parts: dict[str, str]) -> dict[str, Any]:
    try:
        return {"parts": pressed(parts)}
    except Unprotected as error:
        return {
            "line": error.line or None,
            "code": "template_syntax",
            "detail": error.detail[:300],
        }
    except (MemoryError, RecursionError):
        return {"line": None, "code": "template_limit", "detail": "it is too large or too deep"}
    except BaseException as error:  # a panic of native code is no Exception
        detail = f"it cannot be worked: {str(error)[:200]}"
        return {"line": None, "code": "template_error", "detail": detail}


if __name__ == "__main__":
    parts = json.load(sys.stdin.buffer)
    pressed({"mjml": "<mjml><mj-body></mj-body></mjml>"})
    Confined(MEMORY_OCTETS, CPU_SECONDS)
    sys.stdout.buffer.write(json.dumps(_answer(parts)).encode())
    sys.stdout.flush()
