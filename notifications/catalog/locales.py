"""Which locale of a template is used. Pure.

A wanted tag is looked up as in RFC 4647, section 3.4: exactly, then with its last subtag taken off,
until only the language is left. What is not there in the wanted locale is taken in the tenant's,
looked up in the same way, and at last in the template's own default. Another region of the
language is never taken: who asks for `pt-BR` does not get `pt-PT` unless that is a default.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from hiram.lib.locales import locale


def chosen(wanted: str | None, tenant: str, default: str, available: Collection[str]) -> str:
    """The locale among `available` that is used; `default` is one of them.

    All tags are normalised, but the tenant's may be anything.
    """
    for tag in (wanted, _known(tenant)):
        for candidate in _ever_wider(tag or ""):
            if candidate in available:
                return candidate
    return default


def _known(tag: str) -> str:
    try:
        return locale(tag)
    except ValueError:
        return ""


def _ever_wider(tag: str) -> Iterator[str]:
    while tag:
        yield tag
        tag, _, _ = tag.rpartition("-")
