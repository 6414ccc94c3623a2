"""The first query of a request, which finds out by itself whether a kept connection still lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import OperationalError, connection


def first_row(statement: str, values: Sequence[Any] | Mapping[str, Any]) -> Any:
    """The first row of the answer, or None; asked once more where the connection was dead.

    So it must do no harm twice.

    The extra round trip of Django's health check is saved.

    Raises:
        django.db.OperationalError: the database is away.
    """
    connection.health_check_done = True  # type: ignore[attr-defined]
    try:
        return _fetch(statement, values)
    except OperationalError:
        connection.close()
        return _fetch(statement, values)


def _fetch(statement: str, values: Sequence[Any] | Mapping[str, Any]) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()
