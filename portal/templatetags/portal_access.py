"""What the portal's templates ask."""

from __future__ import annotations

from django import template
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from hiram.lib.text import cut
from portal.access import MANAGERS, access_of
from portal.highlight import pieces

register = template.Library()

_FRAME = (
    '<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy"'
    " content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
    '<meta name="referrer" content="no-referrer">'
)


@register.filter
def may_invite(request: HttpRequest) -> bool:
    """Whether the user may invite somebody to any tenant."""
    return access_of(request).allows(MANAGERS)


@register.filter
def begin(text: str) -> str:
    """What a page shows of a long text, and how long that is."""
    return cut(str(text))


@register.filter
def framed(html: str) -> str:
    """Foreign HTML for a sandboxed frame's `srcdoc`; the template escapes it once.

    The policy comes before the content, which can only make it stricter.
    """
    return _FRAME + str(html)


@register.filter
def highlighted(source: str) -> SafeString:
    """A template's source with colours."""
    spans = ((f"hiram-code-{kind or 'plain'}", text) for kind, text in pieces(str(source)))
    return format_html("{}", format_html_join("", '<span class="{}">{}</span>', spans))
