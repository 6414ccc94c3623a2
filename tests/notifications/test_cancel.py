"""`POST /v1/notifications/{id}/cancel` and `POST /v1/cancel`: what is stopped, what has left."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from hiram.lib import ids
from notifications import cancel as module
from notifications.api.shapes import CanceledMany
from notifications.models import Attempt, Event, Notification, OutboxMessage
from notifications.states import OWED, SETTLED, State, may_move
from tenants.models import Tenant
from tests.factories import TenantFactory, email, post, shown
from tests.notifications.calls import PATH, Api, Said, api
from tests.notifications.test_scheduling import ahead

pytestmark = pytest.mark.django_db

CANCEL = "/v1/cancel"
NONE: dict[str, Any] = {"stopped": [], "already_left": [], "has_more": False}


def cancel(caller: Api, row: Notification) -> Said:
    return caller.ask("POST", f"{PATH}/{shown(row)}/cancel")


def attempted(row: Notification, *outcomes: str) -> None:
    for number, outcome in enumerate(outcomes, 1):
        Attempt.objects.create(
            tenant_id=row.tenant_id, subject_id=row.pk, number=number, fence=number, worker="w",
            outcome=outcome,
        )  # fmt: skip


def ended(row: Notification, status: str) -> None:
    OutboxMessage.objects.filter(pk=row.pk).delete()
    Notification.objects.filter(pk=row.pk).update(status=status, settled_at=timezone.now())


def types(row: Notification) -> list[str]:
    rows = Event.objects.filter(notification_id=row.pk).order_by("transaction", "id")
    return [event.type.removeprefix("notification.") for event in rows]


@pytest.mark.parametrize("fields", [{}, {"scheduled_at": ("hours", 1)}])
def test_what_has_not_left_is_stopped(live: Api, tenant: Tenant, fields: dict[str, Any]) -> None:
    times = {name: ahead(**{unit: n}) for name, (unit, n) in fields.items()}
    row, other = post(tenant, email(**times), email())
    said = cancel(live, row)
    assert (said.status, said.body) == (200, {"stopped": [shown(row)], "already_left": []})
    row.refresh_from_db()
    assert (row.status, row.reason) == ("canceled", None)
    assert row.settled_at is not None
    assert live.one(shown(row))["status"] == "canceled"
    assert list(OutboxMessage.objects.values_list("pk", flat=True)) == [other.pk]
    assert types(row)[-1] == "canceled"
    assert types(other) == ["accepted"]


def test_a_second_time_says_the_same_and_changes_nothing(live: Api, tenant: Tenant) -> None:
    (row,) = post(tenant)
    first = cancel(live, row)
    row.refresh_from_db()
    settled_at = row.settled_at
    assert cancel(live, row).body == first.body
    row.refresh_from_db()
    assert row.settled_at == settled_at
    assert types(row) == ["accepted", "canceled"]


@pytest.mark.parametrize(("outcomes", "is_stopped"), [
    ((), True), (("refused",), True), (("refused", "refused"), True),
    (("started",), False), (("unknown",), False), (("abandoned",), False),
    (("unknown", "refused"), False), (("refused", "started"), False),
])  # fmt: skip
@pytest.mark.parametrize("is_leased", [True, False])
def test_it_has_left_when_a_call_has_begun_that_may_have_taken_effect(
    live: Api, tenant: Tenant, outcomes: tuple[str, ...], is_stopped: bool, is_leased: bool
) -> None:
    (row,) = post(tenant)
    OutboxMessage.objects.update(leased_by="w" if is_leased else None, fence=9)
    attempted(row, *outcomes)
    said = cancel(live, row)
    assert said.status == 200
    assert (said.body["stopped"] == [shown(row)]) is is_stopped
    assert (said.body["already_left"] == [shown(row)]) is not is_stopped
    row.refresh_from_db()
    assert row.status == ("canceled" if is_stopped else "accepted")
    assert OutboxMessage.objects.exists() is not is_stopped
    assert ("canceled" in types(row)) is is_stopped


@pytest.mark.parametrize("status", sorted(SETTLED - {State.CANCELED}))
def test_what_has_ended_has_left(live: Api, tenant: Tenant, status: str) -> None:
    (row,) = post(tenant)
    ended(row, status)
    assert cancel(live, row).body == {"stopped": [], "already_left": [shown(row)]}
    row.refresh_from_db()
    assert (row.status, types(row)) == (status, ["accepted"])


def test_a_held_one_may_have_been_taken(live: Api, tenant: Tenant) -> None:
    (row,) = post(tenant)
    Notification.objects.update(status="held")
    attempted(row, "unknown")
    assert cancel(live, row).body["already_left"] == [shown(row)]


def test_the_table_has_every_move_that_cancel_makes() -> None:
    assert all(may_move(state, State.CANCELED) for state in OWED)


@pytest.mark.parametrize("who", ["other tenant", "test key", "unknown", "malformed"])
def test_a_strangers_is_as_if_unknown(live: Api, tenant: Tenant, who: str) -> None:
    (row,) = post(tenant, email(cancel_key="k", metadata={"a": "b"}))
    caller = {"other tenant": lambda: api(TenantFactory.create()),
              "test key": lambda: api(tenant, "test")}.get(who, lambda: live)()  # fmt: skip
    path = {"unknown": ids.show("ntf", ids.new()), "malformed": "x"}.get(who, shown(row))
    said = caller.ask("POST", f"{PATH}/{path}/cancel")
    assert (said.status, said.code) == (404, "not-found")
    if caller is not live:
        for body in ({"cancel_key": "k"}, {"metadata": {"a": "b"}}):
            said = caller.post(body, CANCEL)
            assert (said.status, said.body) == (200, NONE)
    row.refresh_from_db()
    assert row.status == "accepted"
    assert OutboxMessage.objects.count() == 1


def test_it_needs_the_right_to_write(tenant: Tenant) -> None:
    (row,) = post(tenant)
    caller = api(tenant, scopes=("notifications:read",))
    assert cancel(caller, row).status == 403
    assert caller.post({"cancel_key": "k"}, CANCEL).status == 403
    assert cancel(api(tenant, scopes=("notifications:write",)), row).status == 200


def test_by_key_all_that_have_it_and_no_other(live: Api, tenant: Tenant) -> None:
    bodies = [email(cancel_key=key) for key in ("k", "k", "K", "k ", "k")]
    one, two, *others, sent = post(tenant, *bodies, email(cancel_key="k"))
    ended(sent, "sent")
    (foreign,) = post(TenantFactory.create(), email(cancel_key="k"))
    (tested,) = post(tenant, email(cancel_key="k"), mode="test")
    said = live.post({"cancel_key": "k"}, CANCEL)
    assert (said.status, said.body) == (200, {
        "stopped": [shown(one), shown(two), shown(others[2])],
        "already_left": [shown(sent)], "has_more": False,
    })  # fmt: skip
    CanceledMany.model_validate(said.body)
    left = set(OutboxMessage.objects.values_list("pk", flat=True))
    assert left == {others[0].pk, others[1].pk, foreign.pk, tested.pk}
    assert live.post({"cancel_key": "k"}, CANCEL).body == said.body
    assert live.post({"cancel_key": "nobody's"}, CANCEL).body == NONE


def test_by_labels_all_that_have_each_of_them(live: Api, tenant: Tenant) -> None:
    labels = [{"a": "1"}, {"a": "1", "b": "2"}, {"b": "2"}, {}, {"a": "1", "b": "3"}]
    rows = post(tenant, *[email(metadata=m) for m in labels])
    said = live.post({"metadata": {"a": "1", "b": "2"}}, CANCEL)
    assert said.body == NONE | {"stopped": [shown(rows[1])]}
    said = live.post({"metadata": {"a": "1"}, "cancel_key": None}, CANCEL)
    assert said.body == NONE | {"stopped": [shown(rows[n]) for n in (0, 1, 4)]}
    assert OutboxMessage.objects.count() == 2


@pytest.mark.parametrize(("body", "pointer", "code"), [
    ({}, "", "invalid"), ({"cancel_key": None}, "", "invalid"),
    ({"cancel_key": "k", "metadata": {"a": "b"}}, "", "invalid"),
    ({"cancel_key": ""}, "/cancel_key", "too_short"),
    ({"cancel_key": "k" * 256}, "/cancel_key", "too_long"),
    ({"cancel_key": "a\nb"}, "/cancel_key", "invalid"), ({"cancel_key": 7}, "/cancel_key", "type"),
    ({"metadata": {}}, "/metadata", "too_few"), ({"metadata": []}, "/metadata", "type"),
    ({"metadata": {"a": 1}}, "/metadata/a", "type"),
    ({"metadata": {str(n): "v" for n in range(51)}}, "/metadata", "too_many"),
    ({"cancel_key": "k", "all": True}, "/all", "unknown_field"), ([], "", "type"),
])  # fmt: skip
def test_a_mistake_cancels_nothing(
    live: Api, tenant: Tenant, body: Any, pointer: str, code: str
) -> None:
    post(tenant, email(cancel_key="k", metadata={"a": "b"}), email())
    said = live.post(body, CANCEL)
    assert (said.status, said.errors[:1]) == (422, [(pointer, code)])
    assert OutboxMessage.objects.count() == 2


@pytest.mark.parametrize(("key", "code"), [
    ("", "too_short"), ("k" * 256, "too_long"), ("a\nb", "invalid"), (7, "type"),
])  # fmt: skip
def test_a_bad_key_is_refused_at_accept(live: Api, key: Any, code: str) -> None:
    assert live.post(email(cancel_key=key)).errors == [("/cancel_key", code)]


def test_a_key_may_be_long_and_of_any_script(live: Api) -> None:
    for key in ("é" * 255, "日本 🎉", "k"):
        made = live.post(email(cancel_key=key)).body["id"]
        assert live.post({"cancel_key": key}, CANCEL).body == NONE | {"stopped": [made]}


def test_what_can_no_more_be_stopped_stands_in_nobodys_way(
    live: Api, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CANCELED_MOST", 2)
    rows = post(tenant, *[email(cancel_key="k")] * 7)
    for row in rows[3:]:
        attempted(row, "unknown")
    answers = [live.post({"cancel_key": "k"}, CANCEL).body for _ in range(2)]
    assert [a["has_more"] for a in answers] == [True, False]
    assert answers[0]["stopped"] == [shown(rows[1]), shown(rows[2])]
    assert answers[1]["stopped"] == [shown(rows[0])]
    assert Notification.objects.filter(status="canceled").count() == 3


def test_a_call_handles_so_many_what_is_owed_first(
    live: Api, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CANCELED_MOST", 4)
    rows = post(tenant, *[email(cancel_key="k")] * 9)
    for row in rows[5:]:
        ended(row, "sent")
    one = live.post({"cancel_key": "k"}, CANCEL).body
    assert (len(one["stopped"]), one["already_left"], one["has_more"]) == (4, [], True)
    two = live.post({"cancel_key": "k"}, CANCEL).body
    assert len(two["stopped"] + two["already_left"]) == 4
    assert two["has_more"] is False
    assert not OutboxMessage.objects.exists()
    assert Notification.objects.filter(status="canceled").count() == 5


@pytest.mark.parametrize("named", [{"cancel_key": "k"}, {"metadata": {"a": "b"}}])
def test_they_are_found_by_an_index(
    live: Api, tenant: Tenant, named: dict[str, Any],
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    post(tenant, *[email(cancel_key="k", metadata={"a": "b"})] * 30)
    with django_assert_max_num_queries(6):  # the key, which ones, begin, lock, stop, commit
        assert len(live.post(named, CANCEL).body["stopped"]) == 30
    plan = Notification.objects.filter(tenant=tenant, mode="live", cancel_key="k")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "notification_cancel_key" in plan.explain()


def test_a_row_without_its_debt_is_not_said_to_be_stopped(live: Api, tenant: Tenant) -> None:
    (row,) = post(tenant)
    OutboxMessage.objects.all().delete()
    assert cancel(live, row).body == {"stopped": [], "already_left": [shown(row)]}


def test_every_id_is_in_one_list(live: Api, tenant: Tenant) -> None:
    rows = post(tenant, *[email(cancel_key="k")] * 12)
    for row, status in zip(rows, sorted(SETTLED), strict=False):
        ended(row, status)
    body = live.post({"cancel_key": "k"}, CANCEL).body
    named: list[UUID] = [ids.parse("ntf", i) for i in body["stopped"] + body["already_left"]]
    assert sorted(named) == sorted(row.pk for row in rows)
    assert body["stopped"] == sorted(body["stopped"])
    assert body["already_left"] == sorted(body["already_left"])
