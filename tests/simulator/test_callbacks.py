"""What the simulator's vendors call back: their forms and signatures, and every disorder."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests

from delivery.simulator.server import Simulator
from tests.drivers.vendor import Canned, Vendor

SECRET = "whsec_c2VjcmV0LXNlY3JldA=="
ACCOUNT = "AC" + "1" * 32


@pytest.fixture
def receiver() -> Iterator[Vendor]:
    with Vendor(Canned(200)) as vendor:
        yield vendor


def send_mail(sim: Simulator) -> str:
    mail = {"from": "a@x.example", "to": "b@x.example", "subject": "s", "text": "t",
            "headers": {"X-Metadata": '{"key": "k"}'}}  # fmt: skip
    said = requests.post(
        f"{sim.http_url}/resend/emails", json=mail, headers={"Authorization": "Bearer re_1"},
        timeout=10,
    )  # fmt: skip
    return str(said.json()["id"])


def send_sms(sim: Simulator, **form: str) -> str:
    said = requests.post(
        f"{sim.http_url}/twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
        {"To": "+14155550100", "From": "+15005550006", "Body": "Hello", **form},
        auth=(ACCOUNT, "the-token"), timeout=10,
    )  # fmt: skip
    return str(said.json()["sid"])


def order(
    sim: Simulator, target: str = "resend", kind: str = "callbacks", **callbacks: Any
) -> None:
    usual = {"secret": SECRET} if target == "resend" else {}
    sim.order(target=target, kind=kind, callbacks=usual | callbacks)


def test_resend_signs_as_svix_does(sim, receiver):
    order(sim, url=f"{receiver.url}/hook", news=["bounced"])
    email_id = send_mail(sim)
    assert sim.called_back(1) == [200]
    (asked,) = receiver.asked
    assert asked.path == "/hook"
    signed = f"{asked.headers['svix-id']}.{asked.headers['svix-timestamp']}.".encode() + asked.body
    mac = hmac.digest(b"secret-secret", signed, "sha256")
    assert asked.headers["svix-signature"] == f"v1,{base64.b64encode(mac).decode()}"
    assert asked.json["type"] == "email.bounced"
    data = asked.json["data"]
    assert (data["email_id"], data["bounce"]["type"]) == (email_id, "Permanent")
    assert data["headers"] == [{"name": "X-Metadata", "value": '{"key": "k"}'}]


def test_twilio_calls_where_the_message_says(sim, receiver):
    order(sim, "twilio", news=["accepted", "soft_bounced"])
    url = f"{receiver.url}/hook?attempt=att_1"
    sid = send_sms(sim, StatusCallback=url)
    assert sim.called_back(2) == [200, 200]
    for asked, status in zip(receiver.asked, ("sent", "undelivered"), strict=True):
        form = dict(parse_qsl(asked.body.decode()))
        assert (form["MessageSid"], form["MessageStatus"]) == (sid, status)
        signed = url + "".join(name + form[name] for name in sorted(form))
        mac = hmac.digest(b"the-token", signed.encode(), "sha1")
        assert asked.headers["x-twilio-signature"] == base64.b64encode(mac).decode()


def test_without_an_address_nobody_is_called(sim, receiver):
    sim.order(target="twilio", kind="callbacks", callbacks={}, times=1)
    send_sms(sim)
    order(sim, "twilio", url=f"{receiver.url}/second")
    send_sms(sim)
    sim.called_back(1)
    assert [asked.path for asked in receiver.asked] == ["/second"]


def test_forged_is_signed_with_another_secret(sim, receiver):
    order(sim, url=receiver.url, news=["delivered"], forged=True)
    order(sim, "twilio", url=receiver.url, forged=True)
    send_mail(sim)
    send_sms(sim)
    sim.called_back(2)
    for asked in receiver.asked:
        if "svix-id" in asked.headers:
            headers = asked.headers
            signed = f"{headers['svix-id']}.{headers['svix-timestamp']}.".encode() + asked.body
            mac = base64.b64encode(hmac.digest(b"secret-secret", signed, "sha256")).decode()
            assert headers["svix-signature"] != f"v1,{mac}"
        else:
            form = dict(parse_qsl(asked.body.decode()))
            signed = receiver.url + "".join(name + form[name] for name in sorted(form))
            mac = base64.b64encode(hmac.digest(b"the-token", signed.encode(), "sha1")).decode()
            assert asked.headers["x-twilio-signature"] != mac
    assert len(receiver.asked) == 2


def test_doubled_it_is_the_same_event(sim, receiver):
    order(sim, url=receiver.url, news=["delivered", "opened"], times=3)
    send_mail(sim)
    sim.called_back(6)
    events = [(a.headers["svix-id"], a.json["type"]) for a in receiver.asked]
    assert len(events) == 6
    assert len(set(events)) == 2


def test_an_order_can_be_drawn_again(sim, receiver):
    news = ["accepted", "delivered", "opened", "clicked", "complained"]
    drawn = []
    for _ in range(2):
        receiver.asked.clear()
        sim.clear()
        order(sim, url=receiver.url, news=news, shuffled=True, seed=3)
        send_mail(sim)
        sim.called_back(5)
        drawn.append([json.loads(a.body)["type"] for a in receiver.asked])
    assert drawn[0] == drawn[1]
    assert drawn[0] != [f"email.{'sent' if n == 'accepted' else n}" for n in news]


def test_late_the_answer_does_not_wait_for_it(sim, receiver):
    order(sim, url=receiver.url, after=0.5)
    send_mail(sim)
    assert receiver.asked == []
    assert sim.called_back(1) == [200]


def test_although_the_answer_is_lost(sim, receiver):
    order(sim, kind="cut_after_accept", url=receiver.url)
    with pytest.raises(requests.ConnectionError):
        send_mail(sim)
    assert sim.called_back(1) == [200]


def test_an_address_where_nobody_is(sim):
    with Vendor(Canned(200)) as gone:
        pass
    order(sim, url=gone.url)
    send_mail(sim)
    assert sim.called_back(1) == [0]
    said = requests.get(f"{sim.http_url}/callbacks", timeout=10)
    assert said.json() == {"answers": [0]}


@pytest.mark.parametrize(
    ("order_", "part"),
    [
        ({"target": "smtp", "kind": "callbacks"}, "calls nobody"),
        ({"target": "smtp", "kind": "slow", "callbacks": {}}, "no such thing"),
        ({"target": "resend", "kind": "drop", "callbacks": {}}, "no such thing"),
        ({"target": "resend", "kind": "callbacks", "callbacks": {}}, "a url and a secret"),
        ({"target": "twilio", "kind": "callbacks"}, "what is called back"),
        ({"target": "twilio", "kind": "callbacks", "callbacks": {"news": ["clicked"]}}, "clicked"),
        ({"target": "twilio", "kind": "callbacks", "callbacks": {"news": []}}, "at least 1"),
        ({"target": "twilio", "kind": "callbacks", "callbacks": {"url": "file:///x"}}, "pattern"),
        ({"target": "twilio", "kind": "callbacks", "callbacks": {"colour": 1}}, "not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused(sim, order_, part):
    said = requests.post(f"{sim.http_url}/faults", json=order_, timeout=10)
    assert said.status_code == 422
    assert part in said.text
