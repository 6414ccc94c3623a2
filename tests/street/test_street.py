"""From the post to the mailbox, through all processes."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.embedded.waiting import until

pytestmark = pytest.mark.xdist_group("street")


def test_a_mail_is_accepted_delivered_and_shown(tenant):
    answer = tenant.post(tenant.letter(body="Gruß an Ada.\n", metadata={"order": "17"}))

    assert answer.status_code == 202
    notification = answer.json()["id"]
    assert answer.json() == {"id": notification, "status": "accepted"}
    assert re.fullmatch(r"ntf_[0-9A-HJKMNP-TV-Z]{26}", notification)
    assert answer.headers["Location"] == f"/v1/notifications/{notification}"
    assert re.fullmatch(r"[\x21-\x7e]{1,128}", answer.headers["X-Request-Id"])

    seen = tenant.ended(notification)
    assert seen == tenant.ask("GET", answer.headers["Location"]).json()
    assert (seen["status"], seen["reason"], seen["mode"]) == ("sent", None, "live")
    assert seen["metadata"] == {"order": "17"}
    assert (seen["provider"]["name"], seen["provider"]["driver"]) == ("primary", "smtp")
    [attempt] = seen["attempts"]
    assert (attempt["number"], attempt["outcome"]) == (1, "sent")
    assert (attempt["provider"], attempt["driver"], attempt["code"]) == ("primary", "smtp", "250")
    assert 0 <= attempt["duration_ms"] <= seen["latency_ms"]

    [mail] = tenant.arrived()
    letter = tenant.instance.mailbox.message(mail["id"])
    assert letter["subject"] == "Order confirmed"
    assert letter["text"].rstrip() == "Gruß an Ada."
    assert letter["envelope"] == {"from": tenant.sender, "rcpt_to": [tenant.to("ada")]}
    assert mail["key"] == notification


def test_an_sms(instance):
    tenant = instance.tenant()
    account = "AC" + "0" * 32
    tenant.provider(
        channel="sms",
        driver="twilio",
        settings={
            "account_sid": account,
            "from_number": "+15005550006",
            "api_url": f"{instance.facts['simulator_url']}/twilio",
        },
        credentials={"auth_token": "secret"},
    )
    text = f"Your code is 123, {tenant.id}"
    seen = tenant.ended(tenant.sent({"channel": "sms", "recipient": "+15551230001", "body": text}))
    assert (seen["status"], seen["provider"]["driver"]) == ("sent", "twilio")
    assert [attempt["outcome"] for attempt in seen["attempts"]] == ["sent"]
    [sms] = [m for m in instance.mailbox.messages(channel="sms") if m["key"] == text]
    assert sms["recipients"] == ["+15551230001"]


def test_a_batch_of_500_arrives_once_each(tenant):
    asked = [tenant.letter(f"n{number}") for number in range(500)]
    answer = tenant.ask("POST", "/v1/notifications/batch", {"notifications": asked})
    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["rejected"]) == (500, 0)
    accepted = [item["id"] for item in answer.json()["data"]]
    assert len(set(accepted)) == 500

    def arrived() -> list[str]:
        keys = (arrival["key"] for arrival in tenant.instance.mailbox.arrivals())
        return sorted(key for key in keys if key in accepted)

    until(lambda: len(arrived()) >= 500, 90)
    assert arrived() == sorted(accepted)
    for notification in (accepted[0], accepted[250], accepted[-1]):
        assert tenant.ended(notification)["status"] == "sent"


def test_prefer_wait_answers_with_the_outcome(tenant):
    answer = tenant.post(Prefer="wait=10")
    assert answer.status_code == 200
    assert answer.json()["status"] == "sent"
    assert [attempt["outcome"] for attempt in answer.json()["attempts"]] == ["sent"]


def test_prefer_wait_answers_202_when_time_is_up(tenant):
    slow = {"target": "smtp", "kind": "slow", "seconds": 8, "match": {"recipient": tenant.to("*")}}
    with tenant.instance.mailbox.ordered(**slow):
        answer = tenant.post(Prefer="wait=1")
        assert answer.status_code == 202
        assert tenant.ended(answer.json()["id"])["status"] == "sent"


def test_50_posts_at_once_with_one_key_are_one_mail(tenant):
    with ThreadPoolExecutor(50) as pool:
        answers = list(
            pool.map(lambda _: tenant.post(Idempotency_Key="one and the same"), range(50))
        )
    made = [a for a in answers if a.status_code == 202]
    assert {a.status_code for a in answers} <= {202, 409}
    assert all(a.headers["Retry-After"] == "1" for a in answers if a.status_code == 409)
    assert len({a.json()["id"] for a in made}) == 1
    assert len([a for a in made if "Idempotency-Replayed" not in a.headers]) == 1

    notification = made[0].json()["id"]
    assert tenant.ended(notification)["status"] == "sent"
    listed = tenant.ask("GET", "/v1/notifications").json()["data"]
    assert [row["id"] for row in listed] == [notification]
    assert [mail["key"] for mail in tenant.arrived()] == [notification]


def test_a_transient_refusal_is_tried_again(tenant):
    refusal = {"target": "smtp", "kind": "status", "code": 451, "enhanced": "4.3.0", "times": 1}
    with tenant.instance.mailbox.ordered(**refusal, match={"recipient": tenant.to("*")}):
        seen = tenant.ended(tenant.sent())
    assert seen["status"] == "sent"
    first, second = seen["attempts"]
    assert (first["outcome"], first["code"], first["fault"]) == ("refused", "451", "transient")
    assert (second["number"], second["outcome"], second["code"]) == (2, "sent", "250")
    assert len(tenant.arrived()) == 1


def test_a_final_refusal_is_not(tenant):
    refusal = {"target": "smtp", "kind": "status", "code": 550, "enhanced": "5.1.1", "times": 1}
    with tenant.instance.mailbox.ordered(**refusal, match={"recipient": tenant.to("*")}):
        seen = tenant.ended(tenant.sent())
    assert (seen["status"], seen["reason"]) == ("failed", "bad_address")
    assert [a["outcome"] for a in seen["attempts"]] == ["rejected"]
    assert tenant.arrived() == []


def test_a_test_key_reaches_the_simulator_and_no_provider(instance):
    tenant = instance.tenant()
    notification = tenant.sent(key=tenant.test_key)
    seen = tenant.ended(notification, key=tenant.test_key)
    assert (seen["status"], seen["mode"]) == ("sent", "test")
    assert seen["provider"] == {"id": None, "name": "simulator", "driver": "smtp"}
    assert [mail["key"] for mail in tenant.arrived()] == [notification]
    assert tenant.ask("GET", f"/v1/notifications/{notification}").status_code == 404


def test_a_shadow_tenant_walks_the_street_and_nothing_leaves(instance):
    tenant = instance.tenant("shadow")
    tenant.provider()
    seen = tenant.ended(tenant.sent())
    assert (seen["status"], seen["mode"]) == ("sent", "shadow")
    [attempt] = seen["attempts"]
    assert (attempt["outcome"], attempt["shadow"]) == ("shadow_would_send", True)
    assert re.fullmatch(r"[0-9a-f]{64}", attempt["payload_sha256"])
    assert tenant.arrived() == []


def test_what_has_no_provider_waits_for_one(instance):
    tenant = instance.tenant()
    notification = tenant.sent()
    until(lambda: tenant.get(notification)["reason"] == "no_provider")
    seen = tenant.get(notification)
    assert (seen["status"], seen["attempts"]) == ("accepted", [])
    tenant.provider()
    assert tenant.ended(notification)["status"] == "sent"
    assert len(tenant.arrived()) == 1


def test_what_has_a_disabled_provider_waits_for_it(instance):
    tenant = instance.tenant()
    provider = tenant.provider(enabled=False)
    notification = tenant.sent()
    until(lambda: tenant.get(notification)["reason"] == "no_provider")
    answer = tenant.ask("PATCH", f"/v1/providers/{provider}", {"enabled": True})
    assert answer.status_code == 200
    assert tenant.ended(notification)["status"] == "sent"


def test_a_slow_provider_delays_nobody_else(instance, tenant):
    other = instance.tenant()
    other.provider()
    slow = {"target": "smtp", "kind": "slow", "seconds": 8}
    with instance.mailbox.ordered(**slow, match={"recipient": tenant.to("*")}):
        asked = [tenant.letter(f"n{number}") for number in range(200)]
        answer = tenant.ask("POST", "/v1/notifications/batch", {"notifications": asked})
        stuck = [item["id"] for item in answer.json()["data"]]
        until(lambda: "sending" in {tenant.get(key)["status"] for key in stuck[:20]})
        for _ in range(5):
            quick = other.post(Prefer="wait=20")
            assert quick.json()["status"] == "sent"
        waiting = {tenant.get(key)["status"] for key in stuck[-20:]}
        assert "queued" in waiting
    assert tenant.ended(stuck[-1], seconds=120)["status"] == "sent"
