"""What a post is answered is what became of it: sent off, put off or not to be sent, and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifications.accept import Owner
from notifications.models import (
    Block,
    IdempotencyRecord,
    Notification,
    OutboxMessage,
    Preference,
)
from notifications.preferences import change
from notifications.suppression import suppress
from tenants.models import Tenant
from tests.factories import TenantFactory, email, make_user
from tests.notifications.calls import Api, Said, api
from tests.notifications.test_notify import NOTIFY, TEXTS
from tests.notifications.test_round_trips import round_trips
from tests.tenancy import together

pytestmark = pytest.mark.django_db

ANA, BOB = "ana@x.example", "bob@x.example"
Post = Callable[..., list[tuple[str, str | None]]]


def first(said: Said) -> list[tuple[str, str | None]]:
    """Status and reason of each, which are those that reading it shows."""
    assert said.status == 202, said.body
    body = said.body
    found = body.get("notifications") or body.get("data") or [body]
    return [(one["status"], one.get("reason")) for one in found]


def single(caller: Api, *to: str, key: str | None = None, **fields: Any) -> list[Said]:
    headers = {"Idempotency_Key": key} if key else {}
    return [caller.post(email(recipient=one, **fields), **headers) for one in to]


def batch(caller: Api, *to: str, key: str | None = None, **fields: Any) -> list[Said]:
    headers = {"Idempotency_Key": key} if key else {}
    return [caller.batch(*[email(recipient=one, **fields) for one in to], **headers)]


def notify(caller: Api, *to: str, key: str | None = None, **fields: Any) -> list[Said]:
    user = {name: value for name, value in fields.items() if name == "user_id"}
    rest = {name: value for name, value in fields.items() if name != "user_id"}
    body = {
        "content": {"email": TEXTS["email"]}, "channels": ["email"],
        "to": [{"email": one} | user for one in to],
    } | rest  # fmt: skip
    headers = {"Idempotency_Key": key} if key else {}
    return [caller.post(body, NOTIFY, **headers)]


@pytest.fixture(params=[single, batch, notify], ids=["single", "batch", "notify"])
def posts(request: pytest.FixtureRequest) -> Callable[..., list[Said]]:
    found: Callable[..., list[Said]] = request.param
    return found


@pytest.fixture
def post(posts: Callable[..., list[Said]]) -> Post:
    return lambda *given, **fields: [
        one for said in posts(*given, **fields) for one in first(said)
    ]


def shown(caller: Api) -> list[tuple[str, str | None]]:
    """The same as each is kept, in their order."""
    rows = Notification.objects.order_by("id").values_list("status", "reason")
    return [*rows]


def test_what_is_told_already_is_a_duplicate(live: Api, post: Post) -> None:
    told = post(live, ANA, dedupe_key="low")
    assert told == [("accepted", None)]
    told += post(live, ANA, BOB, dedupe_key="low")
    assert told[1:] == [("suppressed", "duplicate"), ("accepted", None)]
    assert shown(live) == told
    assert OutboxMessage.objects.count() == 2


@pytest.mark.parametrize("posts", [batch, notify], indirect=True, ids=["batch", "notify"])
def test_within_one_post_too(live: Api, post: Post) -> None:
    told = post(live, ANA, "ANA@X.example", BOB, dedupe_key="low")
    assert told == [("accepted", None), ("suppressed", "duplicate"), ("accepted", None)]


def test_a_notification_id_as_well(live: Api) -> None:
    (said,) = notify(live, ANA, notification_id="n1")
    assert first(said) == [("accepted", None)]
    (said,) = notify(live, ANA, BOB, notification_id="n1")
    assert first(said) == [("suppressed", "duplicate"), ("accepted", None)]


def test_who_must_not_be_written_to(live: Api, tenant: Tenant, post: Post) -> None:
    make_user(tenant)
    suppress(tenant.pk, "live", "email", ANA, "hard_bounce")
    change(Owner(tenant.pk, "live"), "u1", {"categories": {"operational": {"email": False}}})
    assert post(live, ANA, BOB) == [
        ("suppressed", "suppression:hard_bounce"), ("accepted", None),
    ]  # fmt: skip
    wanted = {"user_id": "u1", "category": "operational"}
    assert post(live, BOB, **wanted) == [("suppressed", "preference")]
    assert post(live, BOB, user_id="u1", category="marketing") == [("suppressed", "consent")]
    Block.objects.create(tenant=tenant, mode="live", channel="email", reason="Incident")
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert post(live, BOB, scheduled_at=at) == [("suppressed", "block")]
    assert shown(live)[-1] == ("suppressed", "block")


def test_what_goes_later(live: Api, tenant: Tenant, post: Post) -> None:
    now = datetime.now(UTC)
    at = (now + timedelta(minutes=10)).isoformat()
    assert post(live, ANA, scheduled_at=at) == [("scheduled", None)]
    make_user(tenant, timezone="UTC")
    span = {
        "start": f"{now - timedelta(hours=1):%H:%M}",
        "end": f"{now + timedelta(hours=1):%H:%M}",
    }
    Preference.objects.create(tenant=tenant, mode="live", user_id="u1", quiet_hours=span)
    assert post(live, ANA, user_id="u1") == [("scheduled", "quiet_hours")]
    assert post(live, ANA, user_id="u1", scheduled_at=at) == [("scheduled", "quiet_hours")]
    assert post(live, ANA, user_id="u1", priority="high") == [("accepted", None)]
    assert shown(live) == [
        ("scheduled", None), ("scheduled", "quiet_hours"), ("scheduled", "quiet_hours"),
        ("accepted", None),
    ]  # fmt: skip


@pytest.mark.parametrize("later", ["nothing", "suppressed", "canceled"])
def test_a_repetition_gets_the_first_answer_whatever_came_later(
    live: Api, tenant: Tenant, posts: Callable[..., list[Said]], later: str
) -> None:
    posts(live, ANA, dedupe_key="low")
    to = [ANA] if posts is single else [ANA, BOB]
    known = posts(live, *to, dedupe_key="low", key="k")
    assert first(known[0])[0] == ("suppressed", "duplicate")
    if later == "suppressed":
        Block.objects.create(tenant=tenant, mode="live", reason="Incident")
        for address in (ANA, BOB):
            suppress(tenant.pk, "live", "email", address, "manual")
    elif later == "canceled":
        Notification.objects.filter(status="accepted").update(
            status="canceled", settled_at=datetime.now(UTC)
        )
    again = posts(live, *to, dedupe_key="low", key="k")
    assert [one.body for one in again] == [one.body for one in known]
    assert again[0].headers["Idempotency-Replayed"] == "true"


def test_an_ordering_key_changes_nothing_in_it(live: Api) -> None:
    """There the statement has a transaction around it."""
    for n in range(2):
        (said,) = single(live, ANA, dedupe_key="low", ordering_key="k", key=f"k{n}")
        again = single(live, ANA, dedupe_key="low", ordering_key="k", key=f"k{n}")
        assert again[0].body == said.body
        assert first(said) == [("accepted", None) if n == 0 else ("suppressed", "duplicate")]


def test_what_ends_later_was_accepted(live: Api, tenant: Tenant) -> None:
    known = batch(live, ANA, BOB, key="k")
    assert suppress_and_withhold(tenant) == 1
    assert shown(live) == [("suppressed", "suppression:manual"), ("accepted", None)]
    again = batch(live, ANA, BOB, key="k")
    assert first(again[0]) == first(known[0]) == [("accepted", None)] * 2


def suppress_and_withhold(tenant: Tenant) -> int:
    caller = api(tenant)
    said = caller.post(
        {"channel": "email", "address": ANA, "reason": "manual"}, "/v1/suppressions"
    )
    assert said.status == 201, said.body
    return Notification.objects.filter(status="suppressed").count()


def test_of_many_at_once_one_says_accepted(transactional_db: None) -> None:
    caller = api(TenantFactory.create())

    def ask(n: int) -> list[tuple[str, str | None]]:
        (said,) = (single, batch, notify)[n % 3](caller, ANA, dedupe_key="low", key=f"k{n}")
        return first(said)

    told = [one for found in together(9, ask) for one in found]
    assert sorted(told, key=str) == [("accepted", None)] + [("suppressed", "duplicate")] * 8
    assert OutboxMessage.objects.count() == 1
    assert IdempotencyRecord.objects.count() == 9


def test_it_takes_no_more_conversations(transactional_db: None) -> None:
    caller = api(TenantFactory.create())
    for n in range(6):
        single(caller, ANA, dedupe_key="low", key=f"a{n}")
        batch(caller, ANA, dedupe_key="low", key=f"b{n}")
        notify(caller, ANA, dedupe_key="low", key=f"c{n}")
    for act, most in ((single, 2), (batch, 2), (notify, 2)):
        assert round_trips(lambda: act(caller, ANA, dedupe_key="low", key="new")) == most  # noqa: B023
        IdempotencyRecord.objects.filter(key="new").delete()
