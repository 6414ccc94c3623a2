"""The probe below the API: accounts that cannot be used, and a driver that breaks its promise."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from delivery import probe
from delivery.driver import Account, Answer, Failed, Fault, Message, Unknown
from delivery.drivers.smtp import Smtp
from delivery.shelves import drivers
from hiram.lib.problems import Problem
from notifications.shelves import channels
from tenants.models import Provider
from tests.tenancy import make_tenant

pytestmark = pytest.mark.django_db

CANARY = "canary-Zr8q3WkX"
SETTINGS = {"host": "127.0.0.1", "port": 1, "security": "none", "from_email": "a@b.example"}


def provider(mode: str = "live", **fields: Any) -> Provider:
    made = {"channel": "email", "driver": "smtp", "name": "main", "settings": SETTINGS}
    row = Provider(tenant=make_tenant(mode=mode), **made | fields)
    row.seal({"password": CANARY})
    row.save()
    return row


class Broken(Smtp):
    """Raises, which no driver may."""

    def send(self, account: Account, message: Message, *, timeout: float) -> Answer:
        assert timeout == probe.PROBE_SECONDS
        raise ValueError(f"with {account.credentials.password}")


@pytest.mark.parametrize(
    "fields", [{"driver": "gone"}, {"settings": {}}, {"settings": {**SETTINGS, "colour": "red"}}]
)
def test_an_account_that_cannot_be_used_failed(fields: dict[str, Any]) -> None:
    answer, seconds = probe.test_provider(provider(**fields), "you@b.example")
    assert isinstance(answer, Failed)
    assert answer.fault is Fault.BAD_ACCOUNT
    assert CANARY not in answer.detail
    assert 0 <= seconds < 5


def test_a_driver_that_raises_leaves_it_unknown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(drivers._items, "smtp", Broken())
    with caplog.at_level(logging.DEBUG):
        answer, _ = probe.test_provider(provider(), "you@b.example")
    assert answer == Unknown("The driver broke: ValueError.")
    assert [record.getMessage() for record in caplog.records] == ["driver smtp raised ValueError"]
    assert CANARY not in caplog.text


def test_a_shadow_tenant_reaches_nothing() -> None:
    with pytest.raises(probe.Shadowed):
        probe.test_provider(provider("shadow"), "you@b.example")
    with pytest.raises(Problem):
        probe.test_provider(provider("shadow", name="other"), "nobody")


@pytest.mark.parametrize("channel", channels)
def test_every_channel_has_a_test_message(channel: str) -> None:
    recipient = {"email": "You@B.example", "sms": "+1 415 555 0100"}[channel]
    message = probe.compose(channel, recipient)
    assert message.channel == channel
    assert message.recipient == {"email": "You@b.example", "sms": "+14155550100"}[channel]
    assert message.text
    assert probe.compose(channel, recipient).key != message.key
    with pytest.raises(Problem) as caught:
        probe.compose(channel, "nobody")
    assert [error.pointer for error in caught.value.errors] == ["/recipient"]
