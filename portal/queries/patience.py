"""Queries for a page: they end in time, whatever they look through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

PATIENCE_SECONDS = 3


class TooMuch(Exception):
    """The database would need longer than anybody waits for a page."""


@contextmanager
def patience(seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Give each statement inside at most so many seconds.

    Raises:
        TooMuch: a statement needed longer.
    """
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds}s"])
            yield
            with connection.cursor() as cursor:
                cursor.execute("RESET statement_timeout")
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooMuch from error
        raise
