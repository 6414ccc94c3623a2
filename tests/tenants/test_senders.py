"""Through which provider, as whom and in which locale a message goes, by whom it is for."""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from hiram.lib import ids
from tenants import auth, senders
from tenants.auth import authenticate
from tenants.models import Provider, SenderConfig, SenderDomain, Tenant
from tenants.senders import NOBODY, Config, Sender, Senders, read, resolve
from tests.factories import ProviderFactory, TenantFactory, email, make_key
from tests.notifications.calls import api
from tests.notifications.test_round_trips import round_trips

pytestmark = pytest.mark.django_db

USUAL = "hello@sender.example"


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory.create()


def provider(tenant: Tenant, *senders: str, **fields: Any) -> Provider:
    """An account that allows these senders; the first is its own."""
    first, *more = senders or (USUAL,)
    settings = {"from_email": first, "allowed_from": more}
    return ProviderFactory.create(tenant=tenant, **{"settings": settings, **fields})


def config(
    tenant: Tenant, scope: str, scope_id: str = "", *, email: Provider | None = None, **fields: Any
) -> SenderConfig:
    providers = {"email": str(email.pk)} if email else {}
    return SenderConfig.objects.create(
        tenant=tenant, scope=scope, scope_id=scope_id, **{"providers": providers, **fields}
    )


def one(
    tenant: Tenant, user: str | None = "u1", org: str | None = "acme", channel: str = "email"
) -> Sender:
    (found,) = resolve(tenant.pk, channel, [(user, org)])
    return found


def test_without_a_config_nothing_is_said(tenant: Tenant) -> None:
    assert one(tenant) == NOBODY
    assert (one(tenant).fields(), one(tenant).sender_scope) == ({}, None)


def test_the_nearest_scope_that_has_a_field_decides_it(tenant: Tenant) -> None:
    near, far = (provider(tenant, USUAL, "org@sender.example") for _ in range(2))
    config(tenant, "user", "u1", locale="de-AT")
    config(tenant, "org", "acme", email=near, from_email="org@sender.example", from_name="Acme")
    config(tenant, "app", email=far, from_email=USUAL, from_name="App", locale="en")
    assert one(tenant) == Sender(
        near.pk, "org@sender.example", "Acme", "de-AT", "org", "org", "user"
    )
    assert one(tenant).fields() == {"sender": "org@sender.example", "sender_name": "Acme"}
    of_app = Sender(far.pk, USUAL, "App", "en", "app", "app", "app")
    assert one(tenant, org=None, user="u2") == of_app
    assert one(tenant, org="other", user=None) == of_app
    assert one(tenant, "acme", "u1") == of_app, "a user is no organisation"


def test_the_name_goes_with_the_address(tenant: Tenant) -> None:
    provider(tenant)
    config(tenant, "user", "u1", from_name="Ana")
    config(tenant, "app", from_email=USUAL)
    assert one(tenant).fields() == {"sender": USUAL}
    SenderConfig.objects.filter(scope="app").update(from_email=None, from_name="App")
    assert one(tenant).fields() == {"sender_name": "Ana"}
    assert one(tenant).sender_scope == "user"
    assert one(tenant, user=None).fields() == {"sender_name": "App"}


def test_a_deleted_provider_leaves_it_to_the_next_scope(tenant: Tenant) -> None:
    near, far = (provider(tenant) for _ in range(2))
    config(tenant, "org", "acme", email=near)
    config(tenant, "app", email=far)
    near.delete()
    assert (one(tenant).provider_id, one(tenant).sender_scope) == (far.pk, "app")
    far.delete()
    assert one(tenant) == NOBODY


def test_a_disabled_one_stays_chosen_so_that_the_attempt_can_say_so(tenant: Tenant) -> None:
    near = provider(tenant, enabled=False)
    config(tenant, "org", "acme", email=near, from_email=USUAL)
    assert (one(tenant).provider_id, one(tenant).sender) == (near.pk, USUAL)


def test_what_is_anothers_or_of_another_channel_is_not_chosen(tenant: Tenant) -> None:
    foreign = provider(TenantFactory.create())
    platform = provider(TenantFactory.create(), shared=True)
    sms = provider(tenant, channel="sms")
    for found in (foreign, platform, sms):
        config(tenant, "user", str(found.pk), email=found)
        assert one(tenant, user=str(found.pk)) == NOBODY


class TestTheSender:
    def test_it_is_one_that_the_chosen_provider_allows(self, tenant: Tenant) -> None:
        near = provider(tenant, "org@brand.example")
        provider(tenant, "app@sender.example")
        config(tenant, "org", "acme", email=near)
        config(tenant, "app", from_email="app@sender.example")
        assert one(tenant).sender == ""
        assert one(tenant).provider_id == near.pk
        assert one(tenant, org=None).sender == "app@sender.example"

    def test_a_nearer_sender_goes_before_a_provider_of_a_wider_scope(self, tenant: Tenant) -> None:
        far = provider(tenant, "app@sender.example")
        provider(tenant, "org@brand.example")
        config(tenant, "org", "acme", from_email="org@brand.example")
        config(tenant, "app", email=far)
        assert one(tenant) == Sender(sender="org@brand.example", identity_scope="org")
        assert one(tenant, org=None).provider_id == far.pk

    def test_one_that_no_provider_allows_any_more_is_left_to_the_next(
        self, tenant: Tenant
    ) -> None:
        row = provider(tenant, "org@brand.example", "app@sender.example")
        config(tenant, "org", "acme", from_email="org@brand.example", from_name="Brand")
        config(tenant, "app", from_email="app@sender.example")
        assert one(tenant).fields() == {"sender": "org@brand.example", "sender_name": "Brand"}
        Provider.objects.filter(pk=row.pk).update(settings={"from_email": "app@sender.example"})
        assert one(tenant).fields() == {"sender": "app@sender.example"}

    def test_without_any_provider_it_waits_for_one_as_it_is(self, tenant: Tenant) -> None:
        config(tenant, "app", from_email=USUAL)
        assert one(tenant).sender == USUAL

    def test_a_platforms_provider_may_allow_it(self, tenant: Tenant) -> None:
        provider(TenantFactory.create(), "@shared.example", shared=True)
        config(tenant, "org", "acme", from_email="acme@shared.example")
        config(tenant, "app", from_email="app@own.example")
        assert one(tenant).sender == "acme@shared.example"
        assert one(tenant, org=None).sender == ""

    def test_a_text_message_is_from_the_number(self, tenant: Tenant) -> None:
        numbers = {"from_number": "+14155550100", "allowed_from": ["+14155550101"]}
        provider(tenant, channel="sms", driver="twilio", settings=numbers)
        config(
            tenant, "app", from_phone="+14155550101", from_email=USUAL, from_name="A", locale="de"
        )
        assert one(tenant, channel="sms") == Sender(
            sender="+14155550101", locale="de", identity_scope="app", locale_scope="app"
        )

    def test_a_channel_without_senders_has_a_locale(self, tenant: Tenant) -> None:
        config(tenant, "app", from_email=USUAL, from_name="A", locale="de")
        assert one(tenant, channel="inapp") == Sender(locale="de", locale_scope="app")

    def test_where_domains_must_be_verified_others_are_passed_by(
        self, tenant: Tenant, settings: Any
    ) -> None:
        settings.VERIFIED_DOMAINS = True
        config(tenant, "org", "acme", from_email="a@mail.brand.example", from_name="Brand")
        config(tenant, "app", from_email=USUAL)
        for owner, domain in (
            (tenant, "sender.example"),
            (TenantFactory.create(), "brand.example"),
        ):
            SenderDomain.objects.create(
                tenant=owner, domain=domain, token="t", verified_at="2026-01-01T00:00:00Z"
            )
        assert one(tenant).sender == USUAL
        row = SenderDomain.objects.create(tenant=tenant, domain="brand.example", token="t")
        assert one(tenant).sender == USUAL
        SenderDomain.objects.filter(pk=row.pk).update(verified_at="2026-01-01T00:00:00Z")
        assert one(tenant).sender == "a@mail.brand.example"


class TestCost:
    def test_a_thousand_recipients_take_one_query(
        self, tenant: Tenant, django_assert_num_queries: Any
    ) -> None:
        row = provider(tenant)
        for n in range(20):
            config(tenant, "user", f"u{n}", email=row, locale="de")
            config(tenant, "org", f"o{n}", email=row, from_email=USUAL)
        config(tenant, "app", email=row, from_name="App")
        pairs = [(f"u{n % 40}", f"o{n % 25}") for n in range(1_000)]
        with django_assert_num_queries(1):
            found = resolve(tenant.pk, "email", pairs)
        assert len(found) == 1_000
        assert found[0].fields() == {"sender": USUAL}
        assert (found[39].provider_scope, found[39].locale) == ("org", None)
        with django_assert_num_queries(1):
            known = read(tenant.pk, pairs)
            assert [known.of("email", *pair) for pair in pairs] == found
            assert known.of("sms", "u1", "o1").locale == "de"

    def test_nobody_costs_nothing(self, tenant: Tenant, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            assert resolve(tenant.pk, "email", []) == []

    def test_the_caller_knows_with_its_one_query_whether_there_are_any(
        self, tenant: Tenant, django_assert_num_queries: Any, rf: Any
    ) -> None:
        request = rf.get("/", headers={"X-Api-Key": make_key(tenant)})
        config(TenantFactory.create(), "app", locale="de")
        with django_assert_num_queries(1):
            assert authenticate(request).has_senders is False
        config(tenant, "user", "u1", locale="de")
        with django_assert_num_queries(1):
            assert authenticate(request).has_senders is True


@pytest.mark.django_db(transaction=True)
def test_a_plain_send_still_takes_two_round_trips() -> None:
    caller = api(TenantFactory.create())
    for _ in range(6):  # until every statement is prepared
        caller.post(email(), Idempotency_Key=os.urandom(8).hex())
        caller.post(email())
    assert round_trips(lambda: caller.post(email())) == 2


@pytest.mark.parametrize("owner", ["mine", "another's"])
@pytest.mark.parametrize("statement", [auth._FIND, senders._READ], ids=["the key", "configs"])
def test_no_table_is_read_through_however_many_configs_there_are(
    tenant: Tenant, owner: str, statement: str
) -> None:
    """Nor where the planner believes that all of them are one tenant's."""
    owned_by = tenant if owner == "mine" else TenantFactory.create()
    SenderConfig.objects.bulk_create(
        SenderConfig(tenant=owned_by, scope="user", scope_id=f"u{n}") for n in range(5_000)
    )
    values = {"tenant": tenant.pk, "strict": False, "scopes": ["app", "user"], "ids": ["", "u7"]}
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tenants_senderconfig")
        for mode in ("force_custom_plan", "force_generic_plan"):
            cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
            given: Any = values if statement is senders._READ else [bytes(32)]
            cursor.execute(f"EXPLAIN {statement}", given)
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan on tenants_senderconfig" not in plan


FIELDS = st.fixed_dictionaries(
    {name: st.booleans() for name in ("provider", "from_email", "from_name", "locale")}
)


@given(st.lists(FIELDS, min_size=3, max_size=3))
def test_each_field_is_of_the_nearest_scope_that_has_it(drawn: list[dict[str, bool]]) -> None:
    """Whatever is set where, of what every provider allows."""
    known = Senders()
    rows = {}
    for scope, has in zip(("user", "org", "app"), drawn, strict=True):
        key = ids.new()
        rows[scope] = key
        facts = {"channel": "email", "is_own": True, "is_usable": True}
        known.add("provider", str(key), facts | {"settings": {"from_email": "@x.example"}})
        known.configs[scope, "" if scope == "app" else "i"] = Config(
            scope=scope,
            providers={"email": str(key)} if has["provider"] else {},
            from_email=f"{scope}@x.example" if has["from_email"] else None,
            from_name=scope if has["from_name"] else None,
            from_phone=None,
            locale=scope if has["locale"] else None,
        )
    found = known.of("email", "i", "i")

    def nearest(name: str) -> str | None:
        scopes = zip(("user", "org", "app"), drawn, strict=True)
        return next(itertools.chain((s for s, has in scopes if has[name]), [None]))

    by = nearest("provider")
    assert (found.provider_id, found.provider_scope) == (by and rows[by], by)
    assert found.locale == found.locale_scope == nearest("locale")
    who = nearest("from_email")
    assert found.sender == (f"{who}@x.example" if who else "")
    named = dict(zip(("user", "org", "app"), drawn, strict=True))
    if who:
        assert found.sender_name == (who if named[who]["from_name"] else "")
    else:
        assert found.sender_name == (nearest("from_name") or "")
    assert known.of("email", "i", "i") is found
