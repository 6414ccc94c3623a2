"""`POST /v1/notifications/batch`: all or none, or those that can be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hiram.lib import ids
from notifications.models import Content, Event, Lane, Notification, OutboxMessage
from tenants.models import Tenant
from tests.factories import ProviderFactory, email
from tests.notifications.calls import BATCH, PATH, Api

SMS = {"channel": "sms", "recipient": "+14155550100", "body": "482913"}
FROM = {"from": "no@other.example"}

pytestmark = pytest.mark.django_db


def rows() -> list[int]:
    return [m.objects.count() for m in (Notification, Content, Event, OutboxMessage)]


def test_items_are_accepted_in_their_order(live: Api) -> None:
    said = live.batch(email(subject="0"), SMS, email(subject="2", priority="bulk"))
    assert said.status == 202
    assert list(said.body) == ["accepted", "rejected", "data"]
    assert (said.body["accepted"], said.body["rejected"]) == (3, 0)
    assert [list(item) for item in said.body["data"]] == [["index", "id", "status"]] * 3
    assert [item["index"] for item in said.body["data"]] == [0, 1, 2]
    assert {item["status"] for item in said.body["data"]} == {"accepted"}
    shown = [live.one(item["id"]) for item in said.body["data"]]
    assert [(s["channel"], s["subject"]) for s in shown] == [
        ("email", "0"), ("sms", ""), ("email", "2"),
    ]  # fmt: skip
    assert rows() == [3, 3, 3, 3]
    assert Lane.objects.count() == 3
    assert "Location" not in said.headers


def test_a_bad_item_refuses_all_and_each_is_pointed_at(live: Api) -> None:
    said = live.batch(email(), {"channel": "email"}, [], email(recipient="x", nope=1), SMS)
    assert (said.status, said.code) == (422, "invalid")
    assert said.body["detail"] == "3 items cannot be accepted; nothing was stored."
    assert said.errors == [
        ("/notifications/1/recipient", "required"),
        ("/notifications/1/subject", "required"),
        ("/notifications/2", "type"),
        ("/notifications/3/recipient", "invalid"),
        ("/notifications/3/nope", "unknown_field"),
    ]
    assert rows() == [0, 0, 0, 0]
    assert not Lane.objects.exists()


def test_one_bad_item_is_counted_as_one(live: Api) -> None:
    assert live.batch({}).body["detail"] == "1 item cannot be accepted; nothing was stored."


def test_a_partial_batch_takes_what_it_can(live: Api) -> None:
    said = live.batch(email(), {"channel": "email"}, SMS, None, mode="partial")
    assert said.status == 202
    assert (said.body["accepted"], said.body["rejected"]) == (2, 2)
    assert [item["index"] for item in said.body["data"]] == [0, 1, 2, 3]
    good, bad, other, null = said.body["data"]
    assert list(good) == list(other) == ["index", "id", "status"]
    assert list(bad) == list(null) == ["index", "error"]
    error = bad["error"]
    assert error["type"].endswith("/problems/invalid")
    assert (error["status"], error["code"], error["title"]) == (
        422, "invalid", "The request cannot be accepted as it is",
    )  # fmt: skip
    assert [e["pointer"] for e in error["errors"]] == [
        "/notifications/1/recipient", "/notifications/1/subject",
    ]  # fmt: skip
    assert null["error"]["errors"] == [
        {"pointer": "/notifications/3", "code": "type", "detail": "This must be an object."}
    ]
    assert rows() == [2, 2, 2, 2]
    assert {good["id"], other["id"]} == set(live.listed())


def test_a_partial_batch_of_bad_items_takes_none(live: Api) -> None:
    said = live.batch({}, {}, mode="partial")
    assert (said.status, said.body["accepted"], said.body["rejected"]) == (202, 0, 2)
    assert rows() == [0, 0, 0, 0]


@pytest.mark.parametrize(("body", "errors"), [
    ({}, [("/notifications", "required")]),
    ({"notifications": []}, [("/notifications", "too_few")]),
    ({"notifications": {}}, [("/notifications", "type")]),
    ({"notifications": None}, [("/notifications", "type")]),
    ({"notifications": [{}], "mode": "some"}, [("/mode", "not_an_option")]),
    ({"notifications": [{}], "mode": None}, [("/mode", "not_an_option")]),
    ({"notifications": [{}], "tenant_id": "x"}, [("/tenant_id", "unknown_field")]),
    ({"notifications": [{}] * 1001}, [("/notifications", "too_many")]),
    ([], [("", "type")]), (None, [("", "type")]), ("x", [("", "type")]),
])  # fmt: skip
def test_a_batch_has_a_shape(live: Api, body: Any, errors: list[tuple[str, str]]) -> None:
    said = live.post(body, BATCH)
    assert (said.status, said.errors) == (422, errors)


def test_a_thousand_cost_as_many_statements_as_one(live: Api, tenant: Tenant) -> None:
    ProviderFactory.create(tenant=tenant)
    counts = []
    for count in (1, 1_000):
        bodies = [email(subject=f"{n}", **{"from": "hello@sender.example"}) for n in range(count)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            said = live.batch(*bodies)
        assert said.body["accepted"] == count
        counts.append(len([q for q in queries if "SAVEPOINT" not in q["sql"]]))
    assert counts == [3, 3]  # who calls, which senders may be named, and the rows
    shown = live.listed("recipient=nobody@x.org")
    assert shown == []
    assert rows() == [1_001] * 4
    made = [ids.parse("ntf", item["id"]) for item in said.body["data"]]
    assert made == sorted(made)
    by_key = Notification.objects.in_bulk(made)
    assert [by_key[key].subject for key in made] == [f"{n}" for n in range(1_000)]


class TestSenders:
    def test_a_refused_sender_refuses_all(self, live: Api, tenant: Tenant) -> None:
        ProviderFactory.create(tenant=tenant)
        said = live.batch(email(), email(**FROM), SMS | {"from": "Acme"}, email(**FROM))
        assert (said.status, said.errors) == (422, [
            ("/notifications/1/from", "sender_not_allowed"),
            ("/notifications/3/from", "sender_not_allowed"),
        ])  # fmt: skip
        assert rows() == [0, 0, 0, 0]

    def test_a_partial_batch_leaves_it_out(self, live: Api, tenant: Tenant) -> None:
        ProviderFactory.create(tenant=tenant)
        said = live.batch({}, email(**FROM), email(), email(**FROM), mode="partial")
        assert (said.body["accepted"], said.body["rejected"]) == (1, 3)
        assert ["id" in item for item in said.body["data"]] == [False, False, True, False]
        assert said.body["data"][3]["error"]["errors"][0]["pointer"] == "/notifications/3/from"
        assert rows() == [1, 1, 1, 1]

    def test_a_thousand_refused_ones_cost_no_more(self, live: Api, tenant: Tenant) -> None:
        ProviderFactory.create(tenant=tenant)
        with CaptureQueriesContext(connection) as queries:
            said = live.batch(*[email(**FROM)] * 1_000, mode="partial")
        assert (said.body["accepted"], said.body["rejected"]) == (0, 1_000)
        assert len([q for q in queries if "SAVEPOINT" not in q["sql"]]) == 3


def test_findings_of_a_large_batch_are_bounded(live: Api) -> None:
    item = {f"field{n}": n for n in range(200)} | {"channel": "email"}
    said = live.batch(*[item] * 1_000)
    assert said.status == 422
    assert {pointer.split("/")[2] for pointer, _ in said.errors} == {f"{n}" for n in range(1_000)}
    assert len(said.errors) == 20_000


def test_a_batch_is_no_resource(live: Api) -> None:
    said = live.get(BATCH)
    assert (said.status, said.code) == (405, "method-not-allowed")
    assert live.get(f"{PATH}/batch/attempts").status == 404


def test_items_share_no_limit_of_a_single_post(live: Api) -> None:
    raw = json.dumps({"notifications": [email(body="x" * 200_000)] * 60}).encode()
    assert len(raw) > 10 * 1024 * 1024
    assert live.post(raw, BATCH).body["accepted"] == 60
