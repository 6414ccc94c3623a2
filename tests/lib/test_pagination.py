"""Pages: every row once, in order, whatever the times, the limit and the filters."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hiram.lib import ids, pagination
from hiram.lib.pagination import Page, Query, paginate, read_parameters, read_query
from hiram.lib.problems import Problem
from notifications.models import Content, Notification

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE = ("tnt_1", "live", "contents")

# Few distinct times, so that most rows share theirs; the outermost moments PostgreSQL and Python
# both have, with all their microseconds.
moments = st.sampled_from(
    [
        BEGIN,
        BEGIN + timedelta(microseconds=1),
        BEGIN - timedelta(microseconds=1),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
)


def add(tenant: UUID, *times: datetime) -> list[Content]:
    rows = [Content(tenant_id=tenant, payload={}, created_at=time) for time in times]
    return Content.objects.bulk_create(rows)


def walk(tenant: UUID, limit: int) -> list[Page[Content]]:
    rows = Content.objects.filter(tenant_id=tenant)
    pages = [paginate(rows, Query({}, limit), scope=SCOPE)]
    while pages[-1].next_cursor is not None:
        query = Query({}, limit, pages[-1].next_cursor)
        pages.append(paginate(rows, query, scope=SCOPE))
    return pages


def refused(query: str, *names: str, prefixes: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as caught:
        read_query(RequestFactory().get(f"/v1/things{query}"), *names, prefixes=prefixes)
    assert (caught.value.code, caught.value.status) == ("bad-query", 400)
    return [(error.pointer, error.code) for error in caught.value.errors]


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(times=st.lists(moments, max_size=25), limit=st.integers(1, 27))
def test_every_row_is_on_one_page_in_order(times: list[datetime], limit: int) -> None:
    tenant = ids.new()
    rows = add(tenant, *times)

    pages = walk(tenant, limit)

    wanted = sorted(((row.created_at, row.pk) for row in rows), reverse=True)
    assert [(row.created_at, row.pk) for page in pages for row in page.rows] == wanted
    assert all(len(page.rows) == limit for page in pages[:-1])
    assert [page.body(lambda row: None)["has_more"] for page in pages] == [
        *[True] * (len(pages) - 1),
        False,
    ]
    assert len(pages) == max(1, -(-len(rows) // limit))


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_is_added_or_deleted_meanwhile_moves_nothing_else(data: st.DataObject) -> None:
    tenant = ids.new()
    before = add(tenant, *[BEGIN] * 9)
    rows = Content.objects.filter(tenant_id=tenant)
    first = paginate(rows, Query({}, 4), scope=SCOPE)
    gone = data.draw(st.sampled_from(before))
    add(tenant, BEGIN + timedelta(seconds=1))

    rows.filter(pk=gone.pk).delete()
    rest = paginate(rows, Query({}, 100, first.next_cursor), scope=SCOPE)

    wanted = list(reversed(before))
    assert list(first.rows) == wanted[:4]
    assert list(rest.rows) == [row for row in wanted[4:] if row.pk != gone.pk]


@pytest.mark.django_db
def test_a_cursor_holds_for_its_own_list_only() -> None:
    tenant = ids.new()
    add(tenant, BEGIN, BEGIN)
    rows = Content.objects.filter(tenant_id=tenant)
    filters = {"channel": "email", "metadata.a": "1"}
    cursor = paginate(rows, Query(filters, 1), scope=SCOPE).next_cursor
    assert cursor is not None

    same = Query(dict(reversed(filters.items())), 100, cursor)
    assert len(paginate(rows, same, scope=SCOPE).rows) == 1

    others = [
        (Query({}, 1, cursor), SCOPE),
        (Query({**filters, "channel": "sms"}, 1, cursor), SCOPE),
        (Query({"channel": 'email", "metadata.a": "1'}, 1, cursor), SCOPE),
        (Query(filters, 1, cursor), ("tnt_2", "live", "contents")),
        (Query(filters, 1, cursor), ("tnt_1", "test", "contents")),
        (Query(filters, 1, cursor), ("tnt_1", "live", "others")),
        (Query(filters, 1, cursor), ("tnt_1", "livecontents")),
    ]
    for query, scope in others:
        with pytest.raises(Problem) as caught:
            paginate(rows, query, scope=scope)
        assert caught.value.code == "bad-query"
        assert [e.as_dict() for e in caught.value.errors] == [
            {
                "pointer": "/cursor",
                "code": "invalid",
                "detail": "This is not a cursor of this list with these filters.",
            }
        ]


@pytest.mark.django_db
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_changed_cursor_is_refused(data: st.DataObject) -> None:
    tenant = ids.new()
    add(tenant, BEGIN, BEGIN)
    rows = Content.objects.filter(tenant_id=tenant)
    cursor = paginate(rows, Query({}, 1), scope=SCOPE).next_cursor
    assert cursor is not None
    place = data.draw(st.integers(0, len(cursor) - 1))
    letter = data.draw(st.characters())
    changed = data.draw(
        st.sampled_from(
            [
                cursor[:place],
                cursor[:place] + letter + cursor[place:],
                cursor[:place] + letter + cursor[place + 1 :],
                cursor + "=",
                cursor + "\n",
                " " + cursor,
            ]
        )
    )

    if changed == cursor:
        assert len(paginate(rows, Query({}, 1, changed), scope=SCOPE).rows) == 1
    else:
        with pytest.raises(Problem):
            paginate(rows, Query({}, 1, changed), scope=SCOPE)


@pytest.mark.django_db
def test_a_page_is_found_by_the_index_alone() -> None:
    """However deep the page: no sort, and the position is where the index scan begins."""
    tenant = ids.new()
    rows = Notification.objects.filter(tenant_id=tenant, mode="live")
    position = "cursor " + json.dumps([*SCOPE, "created_at", []])
    cursor = pagination._write(BEGIN, tenant, position)
    plans = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        with connection.connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}", params)
            plans.append("\n".join(row[0] for row in cursor))
        return execute(sql, params, many, context)

    with connection.cursor() as database:
        database.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
    with connection.execute_wrapper(explain):
        page = paginate(rows, Query({}, 1, cursor), scope=SCOPE)

    assert page.body(lambda row: row.pk) == {"data": [], "next_cursor": None, "has_more": False}
    [plan] = plans
    assert "Sort" not in plan
    condition = next(line for line in plan.splitlines() if "Index Cond" in line)
    assert "ROW(created_at, id) < ROW(" in condition


@given(limit=st.one_of(st.integers(-5, 200).map(str), st.text(max_size=6)))
def test_a_limit_is_a_number_from_1_to_100(limit: str) -> None:
    request = RequestFactory().get("/v1/things", {"limit": limit})
    if limit.isascii() and limit.isdecimal() and 1 <= int(limit) <= 100:
        assert read_query(request) == Query({}, int(limit), None)
    else:
        with pytest.raises(Problem) as caught:
            read_query(request)
        assert [error.pointer for error in caught.value.errors] == ["/limit"]


@pytest.mark.parametrize(
    "limit",
    ["", "0", "101", "-1", "+5", "1.0", "1e1", "0x1", "5 ", "\uff15", "\u00b2", "9" * 5_000],
)
def test_other_limits_are_refused(limit: str) -> None:
    assert refused(f"?limit={limit.replace('+', '%2B')}") == [("/limit", "out_of_range")]


def test_the_default_limit_is_50() -> None:
    assert read_query(RequestFactory().get("/v1/things")) == Query({}, 50, None)


def test_filters_are_read_by_name_and_by_prefix() -> None:
    request = RequestFactory().get(
        "/?channel=email&metadata.a%20b=%C3%A9&cursor=x&limit=7&status="
    )
    query = read_query(request, "channel", "status", prefixes=("metadata.",))
    assert query == Query({"channel": "email", "metadata.a b": "é", "status": ""}, 7, "x")


def test_unknown_and_doubled_parameters_are_all_named() -> None:
    query = "?channel=email&channel=sms&Limit=1&metadata.=1&metadata=1&offset=3&q=%00&a~/b=1"
    assert refused(query, "channel", "q", prefixes=("metadata.",)) == [
        ("/channel", "repeated"),
        ("/Limit", "unknown_parameter"),
        ("/metadata.", "unknown_parameter"),
        ("/metadata", "unknown_parameter"),
        ("/offset", "unknown_parameter"),
        ("/q", "invalid"),
        ("/a~0~1b", "unknown_parameter"),
    ]
    assert refused("?metadata.%00=1", prefixes=("metadata.",)) == [("/metadata.\0", "invalid")]


def test_a_thing_takes_no_parameters() -> None:
    with pytest.raises(Problem):
        read_parameters(RequestFactory().get("/?limit=1"))
    assert read_parameters(RequestFactory().get("/")) == {}


def test_a_thousand_parameters_are_refused_in_the_same_form() -> None:
    assert refused("?" + "&".join(f"a{n}=1" for n in range(5_000))) == []


def test_what_is_refused_can_be_answered() -> None:
    with pytest.raises(Problem) as caught:
        read_query(RequestFactory().get("/?%ff=1"))
    body = json.loads(caught.value.encoded(base_url="https://hiram.example", request_id="r"))
    assert body["errors"][0]["pointer"] == "/\ufffd"
