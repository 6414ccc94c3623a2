"""A result of `doctor`, and what the examinations share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import connection

from hiram.lib.excerpt import excerpt

OK, WARNING, BROKEN = "ok", "warning", "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result; `remedy` says what to do where something is to be done."""

    check: str
    state: str
    detail: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """As JSON has it."""
        return asdict(self)


def rows(statement: str) -> list[Any]:
    """What the statement answers."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found: list[Any] = cursor.fetchall()
        return found


def said(error: Exception) -> str:
    """The error on one line, without the passwords of our own addresses."""
    urls = (settings.DATABASE_URL, settings.REDIS_URL, settings.CELERY_BROKER_URL)
    passwords = [password for url in urls if (password := urlsplit(url).password)]
    secrets = [*passwords, *map(unquote, passwords)]
    line = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {excerpt(line, secrets=secrets)}"
