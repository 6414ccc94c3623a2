"""The headers of RFC 8058, on the mails that are to have them."""

from __future__ import annotations

from email import message_from_bytes
from typing import Any

import pytest
from django.test import Client

from notifications.models import Content, Suppression
from tenants.models import CategoryPolicy, Provider, Tenant
from tests.factories import email, post

pytestmark = pytest.mark.django_db(transaction=True)


def headers(simulator: Any) -> list[tuple[Any, Any]]:
    """Of each mail that arrived."""
    found = [message_from_bytes(mail.raw) for mail in reversed(simulator.messages())]
    return [(mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) for mail in found]


def test_marketing_has_them_and_the_link_works(
    tenant: Tenant, provider: Provider, run: Any, simulator: Any
) -> None:
    post(tenant, email(category="marketing"))
    assert run() == 1
    [(link, kind)] = headers(simulator)
    assert kind == "List-Unsubscribe=One-Click"
    address = link.strip("<>")
    path = "/u/" + address.rpartition("/")[2]
    assert Client(enforce_csrf_checks=True).post(path).status_code == 200
    assert Suppression.objects.get().category == "marketing"


def test_others_have_them_when_they_ask(
    tenant: Tenant, provider: Provider, run: Any, simulator: Any
) -> None:
    _, asks = post(tenant, email(), email())
    content = Content.objects.get(pk=asks.content_id)
    Content.objects.filter(pk=content.pk).update(payload=content.payload | {"unsubscribe": True})
    assert run() == 2
    assert sorted(bool(link) for link, _ in headers(simulator)) == [False, True]


def test_a_tenants_own_wins_and_what_is_required_has_none(
    tenant: Tenant, provider: Provider, run: Any, simulator: Any
) -> None:
    own = "<mailto:stop@sender.example>"
    post(tenant, email(category="marketing", headers={"List-Unsubscribe": own}))
    assert run() == 1
    CategoryPolicy.objects.create(tenant=tenant, category="marketing", required=True)
    post(tenant, email(category="marketing"))
    assert run() == 1
    assert headers(simulator) == [(own, None), (None, None)]
