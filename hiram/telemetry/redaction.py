"""Strikes out of any value what a log must not show: credentials, addresses, contents.

It works on the finished record, so it holds for libraries' messages and exceptions as for ours.
Two ways: fields go by their names, text by the forms that secrets have. Where it is unsure it
strikes too much. Every pattern takes time linear in the text.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings

STRUCK = "[redacted]"

_LONGEST_TEXT = 32_768
_TORN = 256
_MOST_ITEMS = 100
_DEEPEST = 6
_SHORTEST_SECRET = 6
_LARGEST = 2**64

# Names whose values are struck, in `name=value`, `'name': value` and as fields of a record ...
_CREDENTIAL = re.compile(
    r"pass(?:word|wd|phrase)|secret|token|api[_-]?key|^key$|authorization|cookie|credential"
    r"|private[_-]?key|access[_-]?key|signature|session[_-]?(?:id|key)|csrf",
    re.IGNORECASE,
)
_CONTENT = re.compile(
    r"subject|body|html|text|payload|contents?|attachments?|metadata|raw|recipients?|to|cc|bcc"
    r"|reply[_-]?to|from_(?:email|name|phone)|sender(?:_name)?|e?mail(?:[_-]?address)?|phone(?:[_-]?number)?|mobile"
    r"|msisdn|address(?:es)?|user_?name|input(?:_value)?|params|args|headers|environ",
    re.IGNORECASE,
)
# ... and as a header's line, with the lines that continue it.
_HEADER = re.compile(
    r"(?:proxy-)?authorization|x-api-key|(?:set-)?cookie|subject|to|from|cc|bcc|reply-to",
    re.IGNORECASE,
)
_WHOLE_LINE = re.compile(r"(?:proxy-)?authorization|(?:set-)?cookie", re.IGNORECASE)
_NAMED = re.compile(r"(?<![\w-])([\w-]++)([\"']?\s{0,4}[:=]\s{0,4})")
# What opens a bracket is struck to the end of the text: finding its end takes a parser.
_QUOTED = r"""[bruf]{0,2}(?:"(?:[^"\\]|\\.)*+(?:"|\\?$)|'(?:[^'\\]|\\.)*+(?:'|\\?$))|[\[{(].*"""
_ENCLOSED = re.compile(_QUOTED, re.DOTALL)
_VALUE = re.compile(rf"{_QUOTED}|[^\s,;&)}}\]]+", re.DOTALL)
_LINE = re.compile(r"(?:proxy-)?authorization|(?:set-)?cookie", re.IGNORECASE)
_NAMED = re.compile(r"(?<![\w-])([\w-]++)([\"']?\s{0,4}[:=]\s{0,4})")
_VALUE = re.compile(
    r"""[bruf]{0,2}(?:"(?:[^"\\]|\\.)*+(?:"|$)|'(?:[^'\\]|\\.)*+(?:'|$))"""
    # What opens a bracket is struck to the end of the text: finding its end takes a parser.
    r"|[\[{(].*|[^\s,;&)}\]]+",
    re.DOTALL,
)
_LINE = re.compile(r"[^\n]*(?:\n[ \t][^\n]*)*")

_OUTSIDE = r"""\s@<>()\[\],;:"'=?&/\\{}|"""  # what no address has, unless it is quoted
_DOMAIN = rf"(?:\[[0-9A-Fa-f:.]{{2,64}}\]|(?=[^{_OUTSIDE}%]*\.)[^{_OUTSIDE}%]+)"
_END = r"(?=\n\n(?:The above exception|During handling)|\Z)"


@dataclass(frozen=True, slots=True)
class _Form:
    """What a secret looks like; it cannot be there without one of the `hints`."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    struck: str


def _form(hints: str, pattern: str, struck: str = STRUCK) -> _Form:
    return _Form(tuple(hints.split()), re.compile(pattern, re.DOTALL | re.MULTILINE), struck)


_QUOTES = (
    # What PostgreSQL quotes of a row or a parameter.
    _form(
        "DETAIL CONTEXT HINT LINE", rf"^(DETAIL|CONTEXT|HINT|LINE \d+):.*?{_END}", rf"\1: {STRUCK}"
    ),
    _form("type", r"(for type [\w ]{1,40}: )\"[^\n]*", rf"\1{STRUCK}"),
    # What Python, pydantic and Django quote of a value that they refuse.
    _form("input_value=", r"(input_value=).*?(, input_type=|\Z)", rf"\1{STRUCK}\2"),
    _form(
        "literal float",
        r"(invalid literal [^:\n]{0,40}: |string to float: )[^\n]*",
        rf"\1{STRUCK}",
    ),
    _form("(got", r"\(got .*?(?: for header|\Z)", f"(got {STRUCK} for header"),
    # Passwords in URLs, and every query.
    _form("://", r"(://[^\s:/@]{0,256}:)[^\s]{1,1024}@", rf"\1{STRUCK}@"),
    _form("?", r"\?[\w.%~\[\]-]{1,128}=[^\s'\">]*", f"?{STRUCK}"),
)
_THEMSELVES = (
    # Credentials that name themselves.
    _form("hk_", r"hk_(live|test)_[^\s\"',;)}\]]*", rf"hk_\1_{STRUCK}"),
    _form("earer asic", r"\b([Bb]earer|[Bb]asic)\s{1,4}[\w.~+/=:-]{8,}", rf"\1 {STRUCK}"),
    _form("eyJ", r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"),
    _form("re_ SG. whsec_ key- md- AKIA ASIA xkeysib xsmtpsib mlsn", r"\b(?:re_|SG\.|whsec_|xkeysib-|xsmtpsib-|mlsn\.|key-|md-|AKIA|ASIA)[\w.+/=-]{8,}"),
    # Addresses that let a provider's vendor in; Django's links to set a password, and its signed values.
    _form("/callbacks/", r"(/callbacks/[\w.-]{1,64}/[\w.-]{1,64}/)[\w.~%-]+", rf"\1{STRUCK}"),
    _form("-", r"\b[a-z0-9]{6}-[0-9a-f]{32}\b"),
    _form(":", r"(?<![\w=-])[\w=-]++:[0-9A-Za-z]{5,7}:[\w-]{43}\b"),
    _form("-----BEGIN", r"-----BEGIN [A-Z ]{1,40}-----.*?(?:-----END [A-Z ]{1,40}-----|\Z)"),
    # People.
    _form("@", rf"(?:\"[^\"\n]{{1,64}}\"|(?<![^{_OUTSIDE}])[^{_OUTSIDE}]++)@{_DOMAIN}"),
    _form("%40", rf"(?<![^{_OUTSIDE}])[^{_OUTSIDE}]+%40{_DOMAIN}"),
    _form("+ %2B %2b tel:", r"(?<![\w.])(?:tel:\+?|\+|%2[Bb])(?:[ ().-]{0,2}\d){7,15}(?!\d)"),
)  # fmt: skip
# Everything that moves a cursor, colours a terminal, or turns the direction of the text.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)


def redact(value: Any, depth: int = 0) -> Any:
    """A copy of `value` fit for JSON and for everybody's eyes; never raises."""
    if value is None or (isinstance(value, int) and abs(value) < _LARGEST):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth > _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {
            redact_text(as_text(name)): STRUCK if _private(name) else redact(item, depth + 1)
            for name, item in list(value.items())[:_MOST_ITEMS]
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth + 1) for item in list(value)[:_MOST_ITEMS]]
    return redact_text(as_text(value))


def redact_text(text: str) -> str:
    """`text` without secrets, its control characters escaped, cut to 32 Ki characters."""
    cut = len(text) > _LONGEST_TEXT
    text = text[:_LONGEST_TEXT]
    for secret in _known_secrets():
        text = text.replace(secret, STRUCK)
    text = _strike(_strike_named(_strike(text, _QUOTES)), _THEMSELVES)
    text = _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)
    # The cut may have torn a secret into a piece that no form matches, so its edge goes too.
    return f"{text[:-_TORN]}..." if cut else text


def _strike(text: str, forms: tuple[_Form, ...]) -> str:
    for form in forms:
        if any(hint in text for hint in form.hints):
            text = form.pattern.sub(form.struck, text)
    return text


def _strike_named(text: str) -> str:
    """Without the values of names that are private."""
    parts, done = [], 0
    while found := _NAMED.search(text, done):
        value = _private_value(text, found)
        end = value.end() if value else found.end()
        parts += [text[done : found.end()], STRUCK if value else ""]
        done = end
    return "".join([*parts, text[done:]])


def _private_value(text: str, found: re.Match[str]) -> re.Match[str] | None:
    """The value of this name, if nobody may see it."""
    name, separator = found.groups()
    begins_line = found.start() == 0 or text[found.start() - 1] == "\n"
    if _WHOLE_LINE.search(name) or (
        begins_line and separator[0] == ":" and _HEADER.fullmatch(name)
    ):
        return _LINE.match(text, found.end())
    if _CREDENTIAL.search(name):
        return _VALUE.match(text, found.end())
    if ("=" in separator or separator[0] in "\"'") and _CONTENT.fullmatch(name):
        return _ENCLOSED.match(text, found.end()) or _LINE.match(text, found.end())
    return None


def as_text(value: object) -> str:
    """`value` as text, whatever its own `__str__` does."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value[:_LONGEST_TEXT]).decode("utf-8", "backslashreplace")
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__} that raised {type(error).__name__}>"


def _private(name: object) -> bool:
    text = as_text(name)
    return bool(_CREDENTIAL.search(text) or _CONTENT.fullmatch(text))


def _known_secrets() -> tuple[str, ...]:
    # Records are logged while settings are still being read, too.
    return _read_secrets() if settings.configured else ()


@cache
def _read_secrets() -> tuple[str, ...]:
    """This installation's own secrets, letter by letter, longest first."""
    urls = (settings.DATABASE_URL, settings.REDIS_URL, settings.CELERY_BROKER_URL)
    found = {settings.SECRET_KEY, *settings.ENCRYPTION_KEYS}
    for url in urls:
        password = urlsplit(url).password or ""
        found |= {password, unquote(password)}
    for pair in os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(","):
        found.add(pair.partition("=")[2].strip())
    return tuple(sorted((s for s in found if len(s) >= _SHORTEST_SECRET), key=len, reverse=True))
