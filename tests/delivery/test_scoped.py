"""The provider of a user, an organisation or an app: first of all, with failover, and shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from delivery.audit import audit
from delivery.models import ProviderHealth
from hiram.lib import ids
from notifications.models import Content, Lane, Notification, OutboxMessage
from notifications.record import show
from portal.queries.wording import route_in_words
from tenants.models import Provider, Tenant
from tests.factories import ProviderFactory, TenantFactory, email, post

pytestmark = pytest.mark.django_db(transaction=True)

BRAND = "news@brand.example"


@pytest.fixture
def usual(tenant: Tenant, provider: Provider) -> Provider:
    """Comes first by priority."""
    Provider.objects.filter(pk=provider.pk).update(priority=1, name="usual")
    return provider


@pytest.fixture
def own(tenant: Tenant, simulator: Any) -> Provider:
    """The organisation's."""
    return ProviderFactory.create(tenant=tenant, name="own", port=simulator.smtp_port)


def choose(notification: Notification, chosen: UUID | None, scope: str | None = "org") -> None:
    """As accept writes it."""
    Notification.objects.filter(pk=notification.pk).update(
        chosen_provider_id=chosen, sender_scope=scope
    )


def say(notification: Notification, **fields: Any) -> None:
    """Add to the payload, as accept writes it."""
    content = Content.objects.get(pk=notification.content_id)
    content.payload |= fields
    content.save()


def scoped(tenant: Tenant, chosen: UUID, **fields: Any) -> Notification:
    [notification] = post(tenant, email(**fields))
    choose(notification, chosen)
    return notification


def record(notification: Notification) -> dict[str, Any]:
    notification.refresh_from_db()
    return show(notification)


def way(notification: Notification, place: int = -1) -> tuple[str, str, list[tuple[str, str]]]:
    attempt = record(notification)["attempts"][place]
    route = attempt["route"]
    assert route["scope"] == "org"
    over = [(one["provider"], one["reason"]) for one in route["passed_over"]]
    return attempt["provider"], route["reason"], over


def make_due() -> None:
    OutboxMessage.objects.update(due_at=timezone.now(), leased_by=None)


def test_it_comes_before_those_of_better_priority(tenant, usual, own, run):
    notification = scoped(tenant, own.pk)
    [other] = post(tenant)
    run()
    assert way(notification) == ("own", "scoped", [])
    [attempt] = record(other)["attempts"]
    assert attempt["provider"] == "usual"
    assert attempt["route"] == {"reason": "primary", "scope": None, "passed_over": []}
    assert route_in_words({"reason": "scoped", "scope": "org", "passed_over": []}) == (
        "It is the provider of this user, organisation or app."
        " It was sent by the organisation's sender config."
    )


def test_also_where_there_is_no_other(tenant, provider, run):
    notification = scoped(tenant, provider.pk)
    run()
    assert way(notification) == (provider.name, "scoped", [])


def test_a_scope_without_a_provider_is_shown_too(tenant, usual, run):
    [notification] = post(tenant)
    choose(notification, None)
    run()
    assert way(notification) == ("usual", "only_provider", [])


@pytest.mark.parametrize("reason", ["paused", "failing", "disabled"])
def test_what_it_cannot_carry_goes_the_usual_way(tenant, usual, own, run, reason):
    spare = ProviderFactory.create(tenant=tenant, priority=200, name="spare", port=1)
    if reason == "disabled":
        Provider.objects.filter(pk=own.pk).update(enabled=False)
    else:
        later = timezone.now() + timedelta(seconds=60)
        times = {"paused_at": later} if reason == "paused" else {"open_until": later}
        ProviderHealth.objects.create(
            tenant=tenant, provider=own, reason="x", trouble="failing", **times
        )
    notification = scoped(tenant, own.pk)
    run()
    assert way(notification) == ("usual", "failover", [("own", reason)])
    assert spare.name not in route_in_words(record(notification)["attempts"][0]["route"])


def test_one_that_is_gone_or_anothers_is_passed_over_by_its_id(tenant, usual, own, run):
    foreign = ProviderFactory.create(tenant=TenantFactory.create(), port=1)
    gone = own.pk
    own.delete()
    for chosen in (gone, foreign.pk):
        notification = scoped(tenant, chosen)
        run()
        assert way(notification) == (
            "usual",
            "failover",
            [(ids.show("prv", chosen), "deleted")],
        )


def test_a_probe_instead_of_it_is_one(tenant, usual, own, simulator, run):
    """What it shows of the other's health counts."""
    ProviderHealth.objects.create(
        tenant=tenant,
        provider=usual,
        open_until=timezone.now() - timedelta(seconds=1),
        trouble="failing",
        openings=1,
        degraded_at=timezone.now(),
    )
    Provider.objects.filter(pk=own.pk).update(enabled=False)
    notification = scoped(tenant, own.pk)
    run()
    assert way(notification) == ("usual", "probe", [("own", "disabled")])
    assert ProviderHealth.objects.get(provider=usual).degraded_at is None


def test_what_it_refuses_is_tried_elsewhere_and_then_again(tenant, usual, own, simulator, run):
    simulator.order(
        target="smtp", kind="status", phase="rcpt", code=450, enhanced="4.2.2", times=2
    )
    notification = scoped(tenant, own.pk)
    for _ in range(3):
        make_due()
        run()
    assert [way(notification, place)[:2] for place in range(3)] == [
        ("own", "scoped"),
        ("usual", "failover"),
        ("own", "scoped"),
    ]
    assert way(notification, 1)[2] == [("own", "refused")]
    assert audit().broken == []


def test_over_its_rate_the_next_carries(tenant, usual, own, run):
    Provider.objects.filter(pk=own.pk).update(max_per_second=0.001)
    found = [scoped(tenant, own.pk) for _ in range(2)]
    run()
    assert sorted(way(one) for one in found) == [
        ("own", "scoped", []),
        ("usual", "failover", [("own", "limited")]),
    ]


class TestAfterALostAnswer:
    def test_without_a_policy_it_is_held_and_goes_nowhere_else(
        self, tenant, usual, own, simulator, run
    ):
        simulator.order(target="smtp", kind="cut_after_accept", times=1)
        notification = scoped(tenant, own.pk, category="marketing")
        run()
        Provider.objects.filter(pk=own.pk).update(enabled=False)
        make_due()
        run()
        assert record(notification)["status"] == "held"
        assert len(record(notification)["attempts"]) == 1

    def test_with_one_it_goes_to_the_same_again(self, tenant, usual, own, simulator, run):
        simulator.order(target="smtp", kind="cut_after_accept", times=1)
        notification = scoped(tenant, own.pk)
        run()
        make_due()
        run()
        assert way(notification) == ("own", "after_unknown", [])

    def test_also_where_the_chosen_one_is_gone_by_then(self, tenant, usual, own, simulator, run):
        simulator.order(target="smtp", kind="cut_after_accept", times=1)
        notification = scoped(tenant, own.pk)
        gone = ids.show("prv", ids.new())
        choose(notification, ids.parse("prv", gone))
        run()
        make_due()
        run()
        assert way(notification) == ("usual", "after_unknown", [(gone, "deleted")])


def test_a_sender_that_it_may_not_use_goes_through_one_that_may(tenant, usual, own, run):
    notification = scoped(tenant, own.pk, **{"from": "hello@sender.example"})
    Provider.objects.filter(pk=own.pk).update(settings=own.settings | {"from_email": BRAND})
    run()
    assert way(notification) == ("usual", "failover", [("own", "sender_not_allowed")])


def test_what_only_a_disabled_one_may_send_waits_for_it(tenant, usual, own, run):
    Provider.objects.filter(pk=own.pk).update(
        settings=own.settings | {"from_email": BRAND}, enabled=False
    )
    notification = scoped(tenant, own.pk)
    say(notification, sender=BRAND)
    [other] = post(tenant)
    run()
    assert record(other)["status"] == "sent"
    assert record(notification)["status"] == "queued"
    assert Lane.objects.get().paused_at is None
    assert OutboxMessage.objects.get().tries == 0
    Provider.objects.filter(pk=own.pk).update(enabled=True)
    make_due()
    run()
    assert way(notification) == ("own", "scoped", [])


class TestTheSendersName:
    def test_it_is_what_the_reader_sees(self, tenant, usual, own, simulator, run):
        Provider.objects.update(settings=own.settings | {"from_name": "Usual"})
        named, other, plain = (scoped(tenant, own.pk, subject=name) for name in "abc")
        say(named, sender="hello@sender.example", sender_name='Jörg "J" <eve@evil.example>')
        say(other, sender_name="Only a name")
        run()
        seen = {mail.subject: mail.content.headers for mail in simulator.messages()}
        found = {
            subject: [value for name, value in headers if name.lower() == "from"]
            for subject, headers in seen.items()
        }
        assert found["c"] == ["Usual <hello@sender.example>"]
        assert found["b"] == ["Only a name <hello@sender.example>"]
        assert record(plain)["status"] == "sent"
        [name] = found["a"]
        assert name.endswith("<hello@sender.example>")
        assert "eve@evil.example>," not in name

    def test_a_test_key_sees_it_in_the_simulator(self, tenant, simulator, run, settings):
        settings.SIMULATOR_SMTP = f"127.0.0.1:{simulator.smtp_port}"
        [notification] = post(tenant, mode="test")
        choose(notification, ids.new())
        say(notification, sender=BRAND, sender_name="Brand")
        run()
        [mail] = simulator.messages()
        assert mail.sender == BRAND
        assert way(notification) == ("simulator", "simulator", [])
