"""Walk: where in the whole database a text stands."""

from __future__ import annotations

import json
from typing import Any

from psycopg import sql

_COLUMNS = """
SELECT c.table_schema, c.table_name, c.column_name, c.data_type
  FROM information_schema.columns c
  JOIN information_schema.tables t USING (table_schema, table_name)
 WHERE t.table_type = 'BASE TABLE'
   AND c.table_schema NOT IN ('pg_catalog', 'information_schema')
   AND (c.data_type IN ('text', 'character varying', 'character', 'json', 'jsonb', 'bytea', 'xml',
                        'ARRAY', 'hstore', 'tsvector', 'USER-DEFINED', 'name'))
 ORDER BY 1, 2, 3
"""


def found(cursor: Any, *texts: str) -> set[str]:
    """The columns, as `table.column`, of which some value has one of the texts in it.

    Every table is read, whosever it is; of JSON the names, too, and what is escaped in it. In
    octets the texts are looked for in UTF-8. What was encoded (base64), hashed or sealed is not
    found. `cursor` is psycopg's or Django's.
    """
    assert texts, "nothing to look for"
    assert all(texts), "the empty text is everywhere"
    cursor.execute(_COLUMNS)
    tables: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for schema, table, column, kind in cursor.fetchall():
        tables.setdefault((schema, table), []).append((column, kind))
    hits = set()
    for (schema, table), columns in tables.items():
        asked = sql.SQL(", ").join(_asked(name, kind, texts) for name, kind in columns)
        named = sql.Identifier(schema, table)
        query = sql.SQL("SELECT {} FROM {}").format(asked, named)
        cursor.execute(query.as_string(None))
        row = cursor.fetchone()
        hits |= {
            f"{table}.{name}" for (name, _), is_there in zip(columns, row, strict=True) if is_there
        }
    return hits


def _asked(column: str, kind: str, texts: tuple[str, ...]) -> sql.Composable:
    name = sql.Identifier(column)
    if kind == "bytea":
        each = [
            sql.SQL("position(convert_to({}, 'UTF8') in {}) > 0").format(sql.Literal(text), name)
            for text in texts
        ]
    else:
        value = sql.SQL("array_to_string({}, chr(10))" if kind == "ARRAY" else "{}::text").format(
            name
        )
        # As it is, and as JSON writes it: with what must be escaped, or with all that may be.
        forms = {form for text in texts for form in (text, *_in_json(text))}
        each = [
            sql.SQL("strpos({}, {}) > 0").format(value, sql.Literal(form))
            for form in sorted(forms)
        ]
    return sql.SQL("bool_or({})").format(sql.SQL(" OR ").join(each))


def _in_json(text: str) -> tuple[str, str]:
    return json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]
