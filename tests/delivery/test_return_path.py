"""Return paths: one for each try, signed, and short enough."""

from __future__ import annotations

import dataclasses
import itertools
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.test import override_settings
from django.utils import timezone

from delivery import probe
from delivery.accounts import with_sender
from delivery.callback_url import callback_url
from delivery.driver import Account, Message
from delivery.drivers.smtp import RETURN_DOMAIN_OCTETS
from delivery.return_path import attempt_of, return_path
from delivery.shelves import drivers
from delivery.simulator.server import Simulator
from hiram.lib import ids
from notifications.models import Attempt, OutboxMessage
from tenants.models import Provider, Tenant
from tests.factories import post

DOMAIN = "bounces.sender.example"
ATTEMPT = UUID("019fd55d-8417-7651-9e2f-d2e7105887ad")
ADDRESS = return_path(ids.show("att", ATTEMPT), DOMAIN)
LOCAL = ADDRESS.partition("@")[0]


def test_it_names_the_attempt_in_54_octets() -> None:
    assert len(LOCAL) == 54
    assert f"{LOCAL}@{DOMAIN}" == ADDRESS
    assert set(LOCAL) <= set("+abcdefghijklmnopqrstuvwxyz234567")
    assert attempt_of(ADDRESS) == ATTEMPT


@pytest.mark.parametrize("domain", [DOMAIN.upper(), "other.example", "[127.0.0.1]", ""])
def test_letters_cases_and_the_domain_do_not_matter(domain: str) -> None:
    assert attempt_of(f"{LOCAL}@{domain}") == ATTEMPT
    assert attempt_of(f"{LOCAL.upper()}@{domain}") == ATTEMPT


def test_each_changed_letter_makes_it_nobodys() -> None:
    for place, letter in enumerate(LOCAL):
        other = "a" if letter != "a" else "b"
        assert attempt_of(f"{LOCAL[:place]}{other}{LOCAL[place + 1 :]}@{DOMAIN}") is None
        assert attempt_of(f"{LOCAL[:place]}{LOCAL[place + 1 :]}@{DOMAIN}") is None


@pytest.mark.parametrize(
    "address",
    ["", "@", "b+", "b+@", LOCAL, f"<{ADDRESS}>", f" {ADDRESS}", f"{LOCAL}=@x", f"{LOCAL}a@x",
     f"{LOCAL[2:]}@x", f"c{LOCAL[1:]}@x", "b+\0@x", "b+\u212a@x", "b+" + "a" * 10_000 + "@x"],
    ids=map(str, itertools.count()),  # the secret is another in each process
)  # fmt: skip
def test_what_is_not_one(address: str) -> None:
    assert attempt_of(address) is None


def test_of_another_secret_or_purpose_it_is_nobodys() -> None:
    with override_settings(SECRET_KEY="x" * 50):
        assert attempt_of(ADDRESS) is None
    token = callback_url("smtp", ATTEMPT).rpartition("/")[2]
    assert attempt_of(f"b+{token}@{DOMAIN}") is None


@pytest.mark.parametrize("name", ["", "tst_01", ids.show("tst", ATTEMPT), "att_", "nonsense"])
def test_what_is_no_attempt_has_none(name: str) -> None:
    assert return_path(name, DOMAIN) == ""


def test_only_an_account_with_a_domain_gives_one() -> None:
    shown = ids.show("att", ATTEMPT)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    message = Message(key="k", channel="email", recipient="r@b.example", at=at, attempt_id=shown)
    without = drivers["smtp"].settings(host="h", from_email="a@b.example")
    assert with_sender(message, Account("1", "1", without, None)).return_path == ""
    having = dataclasses.replace(without, return_domain=DOMAIN)
    assert with_sender(message, Account("1", "1", having, None)).return_path == ADDRESS


@pytest.mark.parametrize(
    "domain",
    ["bounces", "b@c.example", "a b.example", "-.example", "x\r\ny", ".", "a..b", "[127.0.0.1]",
     "a." * (RETURN_DOMAIN_OCTETS // 2) + "ab"],
)  # fmt: skip
def test_a_domain_that_is_none(domain: str) -> None:
    driver = drivers["smtp"]
    fields: dict[str, Any] = {"host": "192.0.2.1", "from_email": "a@b.example"}
    given = driver.settings(**fields, return_domain=domain)
    wrong = [name for name, _ in driver.check(given, driver.credentials())]
    # A name without a dot is what a host of one's own network is called.
    assert ("return_domain" in wrong) == (domain != "bounces")


def test_the_longest_domain_still_fits() -> None:
    driver = drivers["smtp"]
    domain = "a." * (RETURN_DOMAIN_OCTETS // 2) + "b"
    assert len(f"<{return_path(ids.show('att', ATTEMPT), domain)}>") == 256
    given = driver.settings(host="192.0.2.1", from_email="a@b.example", return_domain=domain)
    wrong = [name for name, _ in driver.check(given, driver.credentials())]
    assert "return_domain" not in wrong


@pytest.mark.django_db(transaction=True)
def test_each_try_has_its_own_and_the_mail_is_the_same(
    tenant: Tenant, provider: Provider, simulator: Simulator, run: Any
) -> None:
    provider.settings["return_domain"] = DOMAIN
    provider.save()
    simulator.order(target="smtp", kind="cut_after_accept", times=1)
    post(tenant)
    run()
    OutboxMessage.objects.update(due_at=timezone.now(), leased_by=None)
    run()
    one, two = simulator.messages()
    tries = Attempt.objects.all()
    assert {attempt.outcome for attempt in tries} == {"unknown", "sent"}
    assert {attempt_of(mail.sender) for mail in (one, two)} == {attempt.pk for attempt in tries}
    assert {mail.sender.partition("@")[2] for mail in (one, two)} == {DOMAIN}
    assert one.raw == two.raw
    assert b"\r\nFrom: hello@sender.example\r\n" in one.raw
    assert DOMAIN.encode() not in one.raw


@pytest.mark.django_db(transaction=True)
def test_a_test_of_the_provider_has_none(
    tenant: Tenant, provider: Provider, simulator: Simulator
) -> None:
    provider.settings["return_domain"] = DOMAIN
    provider.save()
    probe.test_provider(provider, "ada@recipient.example")
    [mail] = simulator.messages()
    assert mail.sender == "hello@sender.example"
