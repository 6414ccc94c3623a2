"""Releasing and dropping what is held, by the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import F

from notifications.models import DeadLetter, Event, Notification, OutboxMessage
from tenants.models import Tenant
from tests.factories import TenantFactory, email, post, shown
from tests.notifications.calls import PATH, Api, api

pytestmark = pytest.mark.django_db


def held(tenant: Tenant, *bodies: dict[str, Any], mode: str = "live") -> list[str]:
    found = post(tenant, *(bodies or (email(),)), mode=mode)
    keys = [row.pk for row in found]
    Notification.objects.filter(pk__in=keys).update(status="held", reason="unknown")
    OutboxMessage.objects.filter(pk__in=keys).update(due_at=F("expires_at"), fence=7)
    return [shown(row) for row in found]


def statuses(caller: Api) -> dict[str, str]:
    return {row["id"]: row["status"] for row in caller.get(PATH).body["data"]}


def test_they_are_listed_by_their_status(tenant: Tenant) -> None:
    [one] = held(tenant)
    post(tenant)
    assert api(tenant).listed("status=held") == [one]
    assert api(TenantFactory.create()).listed("status=held") == []


def test_one_is_released(tenant: Tenant) -> None:
    [one] = held(tenant)
    said = api(tenant).ask("POST", f"{PATH}/{one}/release", b"")
    assert (said.status, said.body) == (200, {"id": one, "status": "accepted"})
    assert statuses(api(tenant)) == {one: "queued"}
    row = OutboxMessage.objects.get()
    assert (row.released_fence, row.due_at < row.expires_at) == (7, True)
    again = api(tenant).ask("POST", f"{PATH}/{one}/release", b"")
    assert (again.status, again.code) == (409, "not_held")


def test_one_is_dropped(tenant: Tenant) -> None:
    [one] = held(tenant)
    said = api(tenant).ask("POST", f"{PATH}/{one}/drop", b"")
    assert (said.status, said.body) == (200, {"id": one, "status": "failed"})
    assert DeadLetter.objects.get().reason == "dropped"
    assert not OutboxMessage.objects.exists()
    again = api(tenant).ask("POST", f"{PATH}/{one}/drop", b"")
    assert (again.status, again.code) == (409, "not_held")
    last = Event.objects.latest("transaction", "id")
    assert (last.type, last.data) == ("notification.failed", {"reason": "dropped"})


@pytest.mark.parametrize("verb", ["release", "drop"])
def test_what_is_not_held_stays_as_it_is(tenant: Tenant, verb: str) -> None:
    [row] = post(tenant)
    said = api(tenant).ask("POST", f"{PATH}/{shown(row)}/{verb}", b"")
    assert (said.status, said.code) == (409, "not_held")
    row.refresh_from_db()
    assert row.status == "accepted"
    assert api(tenant).ask("POST", f"/v1/held/{verb}", {}).body["data"] == []


@pytest.mark.parametrize(("verb", "becomes"), [("release", "queued"), ("drop", "failed")])
def test_those_that_match_are_decided_about(tenant: Tenant, verb: str, becomes: str) -> None:
    mine, other = held(tenant, email(category="marketing"), email())
    [theirs] = held(TenantFactory.create(), email(category="marketing"))
    [tested] = held(tenant, email(category="marketing"), mode="test")
    caller = api(tenant)
    asked = {"category": "marketing"}
    dry = caller.ask("POST", f"/v1/held/{verb}", asked | {"dry_run": True})
    assert dry.body == {"dry_run": True, "data": [mine], "has_more": False}
    assert statuses(caller) == {mine: "held", other: "held"}
    done = caller.ask("POST", f"/v1/held/{verb}", asked)
    assert done.body == {"dry_run": False, "data": [mine], "has_more": False}
    assert statuses(caller) == {mine: becomes, other: "held"}
    assert Notification.objects.filter(status="held").count() == 3
    assert {theirs, tested}.isdisjoint(done.body["data"])


def test_bad_filters_are_named_and_change_nothing(tenant: Tenant) -> None:
    held(tenant)
    for body, pointer in (
        ({"category": "news"}, "/category"),
        ({"status": "held"}, "/status"),
        ({"created_after": "yesterday"}, "/created_after"),
        ({"dry_run": "no"}, "/dry_run"),
        ({"recipient": ""}, "/recipient"),
    ):
        said = api(tenant).ask("POST", "/v1/held/drop", body)
        assert (said.status, [where for where, _ in said.errors]) == (422, [pointer])
    assert Notification.objects.get().status == "held"
