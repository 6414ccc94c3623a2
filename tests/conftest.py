"""Shared by every test. By now the package `tests` has started the servers.

Django is set up here and not by pytest-django's option, which would read the settings before this
file, and so before anybody had named the servers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import django
import pytest
from django.db import connection
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiram.settings")
django.setup()  # before the folders' own conftest.py import models

from hiram.telemetry import context  # noqa: E402
from tests.emptying import empty  # noqa: E402
from tests.middleware import share_middleware  # noqa: E402
from tests.unnoted import unnoted  # noqa: E402  (imports models)

__all__ = ["unnoted"]

TransactionTestCase._fixture_teardown = empty  # type: ignore[attr-defined]
share_middleware()


LONG = (
    "tests/chaos/", "tests/street/", "tests/embedded/test_instance.py",
    "tests/telemetry/test_trace_street.py",
)  # fmt: skip
"""They take minutes and mostly wait; none of them needs the tables of this process."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, beside the many short ones, so that nobody waits for them at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(autouse=True)
def nothing_bound() -> None:
    """A test that calls a view itself leaves on its thread what the middleware would take off."""
    context.fields.set(None)
    context.span.set(None)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A thread that outlives its test must not keep the database from being dropped."""
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
