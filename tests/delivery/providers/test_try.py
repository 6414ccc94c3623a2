"""`POST /v1/providers/{id}/test` against a real conversation."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from delivery.api import endpoints
from delivery.models import ProviderHealth
from delivery.simulator.server import Simulator
from tests.delivery.providers.bodies import (
    CANARY,
    at,
    made,
    path,
    smtp,
)
from tests.tenancy import Caller, caller, make_tenant

pytestmark = pytest.mark.django_db


def test_a_test_sends_and_says_what_was_answered(ours: Caller, sim: Simulator) -> None:
    provider = made(ours, at(sim))

    said = ours.post(path(provider, "/test"), {"recipient": "you@b.example"})

    [mail] = sim.messages()
    assert mail.recipients == ("you@b.example",)
    assert mail.sender == "a@b.example"
    assert mail.subject == "Hiram: test of a provider"
    assert said.status == 200
    assert said.body == {
        "outcome": "sent",
        "fault": None,
        "code": "250",
        "enhanced_code": said.body["enhanced_code"],
        "detail": said.body["detail"],
        "provider_message_id": said.body["provider_message_id"],
        "duration_ms": said.body["duration_ms"],
    }
    assert 0 <= said.body["duration_ms"] < 20_000
    assert ProviderHealth.objects.count() == 0


def test_a_test_of_a_disabled_provider_sends_too(ours: Caller, sim: Simulator) -> None:
    provider = made(ours, at(sim, enabled=False))
    said = ours.post(path(provider, "/test"), {"recipient": "you@b.example"})
    assert (said.body["outcome"], sim.count()) == ("sent", 1)


def test_a_test_says_why_it_failed(ours: Caller, sim: Simulator) -> None:
    wrong = made(ours, at(sim, name="wrong") | {"credentials": {"password": "wrong"}})
    said = ours.post(path(wrong, "/test"), {"recipient": "you@b.example"}).body
    assert (said["outcome"], said["fault"], said["code"]) == ("failed", "bad_account", "535")

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        body = smtp("closed")
        body["settings"]["port"] = closed.getsockname()[1]
        said = ours.post(path(made(ours, body), "/test"), {"recipient": "you@b.example"}).body
    assert (said["outcome"], said["fault"]) == ("failed", "transient")

    fault = {"code": 550, "enhanced": "5.1.1", "message": f"no {CANARY} here", "times": 1}
    sim.order(target="smtp", kind="status", phase="rcpt", **fault)
    provider = made(ours, at(sim))
    said = ours.post(path(provider, "/test"), {"recipient": "you@b.example"}).body
    assert (said["outcome"], said["fault"], said["code"], said["enhanced_code"]) == (
        "failed", "bad_address", "550", "5.1.1",
    )  # fmt: skip
    assert "no *** here" in said["detail"]
    assert sim.count() == 0

    sim.order(target="smtp", kind="cut_after_accept", times=1)
    said = ours.post(path(provider, "/test"), {"recipient": "you@b.example"}).body
    assert (said["outcome"], said["fault"]) == ("unknown", None)
    assert sim.count() == 1
    assert ours.get(path(provider)).body["status"] == "usable"


def test_a_text_message_is_tested_too(ours: Caller, sim: Simulator) -> None:
    provider = made(
        ours,
        {
            "channel": "sms",
            "driver": "twilio",
            "name": "sms",
            "settings": {
                "account_sid": "AC" + "0" * 32,
                "from_number": "+15005550006",
                "api_url": f"{sim.http_url}/twilio",
            },
            "credentials": {"auth_token": CANARY},
        },
    )
    said = ours.post(path(provider, "/test"), {"recipient": "+14155550100"}).body
    [message] = sim.messages()
    assert (said["outcome"], message.recipients, message.channel) == (
        "sent", ("+14155550100",), "sms",
    )  # fmt: skip
    assert said["provider_message_id"].startswith("SM")


@pytest.mark.parametrize(
    "recipient", ["", "x", "a@b.example, c@d.example", "a@b.example\r\nBcc: c@d.example", 5, None]
)
def test_a_test_needs_an_address(ours: Caller, recipient: Any) -> None:
    provider = made(ours, smtp())
    for by in (ours, caller(ours.tenant, mode="test")):
        said = by.post(path(provider, "/test"), {"recipient": recipient})
        assert said.status == 422
        assert [pointer for pointer, _ in said.errors] == ["/recipient"]


def test_shadow_tenants_and_test_keys_reach_nothing(sim: Simulator) -> None:
    shadow, live = make_tenant(mode="shadow"), make_tenant()
    for by in (caller(shadow), caller(shadow, mode="test"), caller(live, mode="test")):
        provider = made(by, at(sim, name=f"for {by.key[:14]}"))
        said = by.post(path(provider, "/test"), {"recipient": "you@b.example"})
        assert said.status == 200
        assert said.body == {
            "outcome": "shadow_would_send",
            "fault": None,
            "code": None,
            "enhanced_code": None,
            "detail": "Nothing was sent: this tenant or key never reaches a provider.",
            "provider_message_id": None,
            "duration_ms": 0,
        }
    assert sim.count() == 0


def test_a_test_does_not_wait_for_others(ours: Caller) -> None:
    provider = made(ours, smtp())
    taken = [endpoints._probes.acquire(blocking=False) for _ in range(endpoints._PROBES_AT_ONCE)]
    try:
        said = ours.post(path(provider, "/test"), {"recipient": "you@b.example"})
    finally:
        for _ in filter(None, taken):
            endpoints._probes.release()
    assert taken == [True] * endpoints._PROBES_AT_ONCE
    assert (said.status, said.body["code"]) == (429, "rate-limited")
    assert said.headers["Retry-After"] == "5"
