"""The banner: providers in trouble, on every page, to those whose they are."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery.models import ProviderHealth
from portal.access import Access
from portal.queries.trouble import SHOWN, troubles
from portal.queries.wording import REASONS
from tenants.models import Member, Provider, Tenant
from tests.factories import ProviderFactory
from tests.portal.conftest import CANARY, People, World

PAGES = (
    "/portal/",
    "/portal/notifications/",
    "/portal/notifications/notification/",
    "/portal/notifications/deadletter/",
    "/portal/notifications/deadletter/replay-many/",
    "/portal/tenants/apikey/",
    "/portal/tenants/apikey/add/",
    "/portal/tenants/provider/",
    "/portal/tenants/tenant/policies/",
    "/portal/password_change/",
)


def _banner(client: Client, url: str = "/portal/") -> str:
    """What the banner says; empty where there is none."""
    page = client.get(url).content.decode()
    found = re.search(r'<section [^>]*id="troubles".*?</section>', page, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[0])).split()) if found else ""


def _health(provider: Provider) -> Any:
    return ProviderHealth.objects.filter(provider=provider)


@pytest.mark.parametrize("url", PAGES)
def test_every_page_says_it(url: str, people: People, ours: World, theirs: World) -> None:
    said = _banner(people["developer"], url)
    assert said.startswith("OUR provider paused since ")
    detail = " OUR detail" if url == "/portal/" else ""
    assert said.endswith(f"UTC. {REASONS['bad_account']}{detail}")
    assert "OUR tenant" not in said
    link = f'href="/portal/tenants/provider/{ours.provider.pk}/change/"'
    page = people["developer"].get(url).content.decode()
    assert link in page[page.index('id="troubles"') :]
    assert CANARY not in page


@pytest.mark.parametrize("who", ["anonymous", "outsider"])
def test_nobody_else_is_told(who: str, people: People, ours: World) -> None:
    for url in ("/portal/login/", "/portal/password-reset/", "/trestleboard/"):
        assert "OUR provider" not in people[who].get(url, follow=True).content.decode()


def test_one_that_is_degraded(people: People, ours: World) -> None:
    fields = {"paused_at": None, "degraded_at": timezone.now(), "trouble": None, "share": 40}
    _health(ours.provider).update(**fields)
    said = _banner(people["viewer"])
    assert said.startswith("OUR provider degraded since ")
    assert said.endswith("For now it gets 40 % of its part.")


@pytest.mark.parametrize("mended", [{"paused_at": None}, None])
def test_one_that_is_mended_or_disabled_is_no_trouble(
    mended: Any, people: People, ours: World
) -> None:
    if mended:
        _health(ours.provider).update(**mended)
    else:
        Provider.objects.filter(pk=ours.provider.pk).update(enabled=False)
    assert _banner(people["owner"]) == ""


def test_with_several_tenants_they_are_named(people: People, ours: World, theirs: World) -> None:
    _health(theirs.provider).update(paused_at=timezone.now() - timedelta(days=1))
    said = _banner(people["operator"])
    assert f"OUR provider of {ours.tenant.name} paused" in said
    assert said.index("OUR provider") < said.index(f"{CANARY} provider of {theirs.tenant.name}")
    Member.objects.create(tenant=theirs.tenant, user=people.users["viewer"], role="viewer")
    assert _banner(people["viewer"]) == said


def test_of_many_a_few_are_shown_the_paused_first_by_one_query(
    people: People, ours: World
) -> None:
    now = timezone.now()
    for n in range(SHOWN + 3):
        made: Any = ProviderFactory(tenant=ours.tenant, name=f"number {n}")
        ProviderHealth.objects.create(tenant=ours.tenant, provider=made, degraded_at=now)
    with CaptureQueriesContext(connection) as captured:
        said = _banner(people["viewer"])
    asked = [q["sql"] for q in captured.captured_queries if "providerhealth" in q["sql"]]
    assert len(asked) == 1
    assert said.startswith("OUR provider paused")
    assert said.count("degraded") == SHOWN - 1
    assert said.endswith("There are more.")


@pytest.mark.parametrize("who", ["operator", "member"])
def test_it_reads_along_indexes(who: str, ours: World) -> None:
    many = [Tenant(name=f"t{n}") for n in range(3_000)]
    Tenant.objects.bulk_create(many)
    made = [Provider(tenant=t, name="p", channel="email", driver="smtp") for t in many]
    Provider.objects.bulk_create(made)
    ProviderHealth.objects.bulk_create([ProviderHealth(tenant=p.tenant, provider=p) for p in made])
    access = (
        Access(operator=True) if who == "operator" else Access(roles={ours.tenant.pk: "owner"})
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE delivery_providerhealth, tenants_provider, tenants_tenant")
        with CaptureQueriesContext(connection) as captured:
            [found] = troubles(access)
        assert found.provider_id == ours.provider.pk
        cursor.execute("EXPLAIN " + captured.captured_queries[0]["sql"])
        plan = " ".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan on delivery_providerhealth" not in plan


def test_odd_names_are_texts(people: People, ours: World) -> None:
    odd = '"><script>alert(1)</script>{{ 719*727 }}'
    Provider.objects.filter(pk=ours.provider.pk).update(name=odd)
    _health(ours.provider).update(reason=odd[:60])
    page = people["viewer"].get("/portal/").content.decode()
    assert "<script>alert" not in page
    assert "522713" not in page
    assert "&lt;script&gt;alert" in page[page.index('id="troubles"') :]
