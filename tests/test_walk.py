"""The walk finds a text wherever it stands."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from tests.walk import found

CANARY = 'Žluťoučký "kůň" \\ 4711'


@pytest.fixture
def cursor(db: None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE walked (id int, plain text, short varchar(80), doc json, tree jsonb,"
            " octets bytea, words text[], moment timestamptz)"
        )
        yield cursor


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("plain", "'before ' || {}::text || ' after'"),
        ("short", "{}::text"),
        ("doc", "json_build_object('a', json_build_array(1, {}::text))"),
        ("tree", "jsonb_build_object('a', jsonb_build_object('b', {}::text))"),
        ("tree", "jsonb_build_object({}::text, 1)"),
        ("octets", "'\\x00ff'::bytea || convert_to({}::text, 'UTF8')"),
        ("words", "ARRAY['x', {}::text]"),
    ],
    ids=["text", "varchar", "json", "jsonb", "name_in_jsonb", "bytea", "array"],
)
def test_found_in_every_kind_of_column(cursor: Any, column: str, value: str) -> None:
    cursor.execute("INSERT INTO walked (id) VALUES (1)")
    cursor.execute("INSERT INTO walked (id, plain) VALUES (2, 'something else')")
    assert found(cursor, CANARY) == set()
    said = value.format("%s")
    cursor.execute(f"INSERT INTO walked (id, {column}) VALUES (3, {said})", [CANARY])  # noqa: S608
    assert found(cursor, CANARY) == {f"walked.{column}"}
    assert found(cursor, "nowhere to be seen", CANARY) == {f"walked.{column}"}
    assert found(cursor, "nowhere to be seen") == set()


def test_found_as_json_escapes_it(cursor: Any) -> None:
    cursor.execute("INSERT INTO walked (id, plain) VALUES (1, %s)", ['{"a": "\\u017dlu\\u0165"}'])
    assert found(cursor, "Žluť") == {"walked.plain"}
