"""`POST /v1/notifications`: what is stored, what is answered, what is said to a mistake."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from hiram.lib import ids
from notifications.accept import Owner, lane_id
from notifications.models import Content, Event, Lane, Notification, OutboxMessage
from tenants.models import Tenant
from tests.factories import ProviderFactory, email
from tests.notifications.calls import PATH, Api, api

SMS = {"channel": "sms", "recipient": "+1 (415) 555-0100", "body": "482913"}


def test_an_email_is_accepted_and_shown_literally(live: Api, tenant: Tenant) -> None:
    said = live.post(email(metadata={"order": "1"}))
    assert said.status == 202
    assert list(said.body) == ["id", "status"]
    assert said.body["status"] == "accepted"
    assert re.fullmatch(r"ntf_[0-9A-HJKMNP-TV-Z]{26}", said.body["id"])
    assert said.headers["Location"] == f"{PATH}/{said.body['id']}"
    assert said.headers["Content-Type"] == "application/json"
    assert said.headers["Cache-Control"] == "no-store"
    assert re.fullmatch(r"rid_[0-9a-f]{32}", said.headers["X-Request-Id"])

    shown = live.one(said.body["id"])
    made, expires = (datetime.fromisoformat(shown[name]) for name in ("created_at", "expires_at"))
    assert expires - made == timedelta(seconds=settings.TTL_SECONDS)
    assert shown == {
        "id": said.body["id"],
        "request_id": None,
        "mode": "live",
        "channel": "email",
        "recipient": "ada@recipient.example",
        "user_id": None,
        "org_id": None,
        "template": None,
        "template_version": None,
        "locale": None,
        "subject": "Order confirmed",
        "category": "transactional",
        "priority": "normal",
        "status": "queued",
        "reason": None,
        "metadata": {"order": "1"},
        "provider": None,
        "latency_ms": None,
        "created_at": shown["created_at"],
        "scheduled_at": None,
        "expires_at": shown["expires_at"],
        "next_attempt_at": None,
        "sent_at": None,
        "delivered_at": None,
        "body_erased_at": None,
        "attempts": [],
    }
    assert list(shown)[-1] == "attempts"


def test_every_row_is_written(live: Api, tenant: Tenant) -> None:
    body = email(
        html="<p>Thank you.</p>",
        priority="high",
        category="marketing",
        reply_to="desk@sender.example",
        cc=["b@recipient.example"],
        bcc=["c@recipient.example"],
        headers={"X-Order": "1", "List-Unsubscribe": "<https://sender.example/u>"},
        attachments=[{"filename": "a.txt", "content_type": "text/plain", "content": "QQ=="}],
        metadata={"order": "1"},
    )
    key = ids.parse("ntf", live.post(body).body["id"])
    row = Notification.objects.get(pk=key)
    assert (row.tenant_id, row.mode, row.status, row.generation) == (
        tenant.pk, "live", "accepted", 0,
    )  # fmt: skip
    assert (row.category, row.priority, row.metadata) == ("marketing", "high", {"order": "1"})
    assert Content.objects.get(pk=row.content_id).payload == {
        "subject": "Order confirmed",
        "text": "Thank you.",
        "html": "<p>Thank you.</p>",
        "reply_to": "desk@sender.example",
        "cc": ["b@recipient.example"],
        "bcc": ["c@recipient.example"],
        "headers": {"X-Order": "1", "List-Unsubscribe": "<https://sender.example/u>"},
        "attachments": [{"filename": "a.txt", "content_type": "text/plain", "content": "QQ=="}],
    }
    lane = Lane.objects.get()
    assert lane.pk == lane_id(Owner(tenant.pk, "live"), "email", 0)
    assert (lane.tenant_id, lane.mode, lane.topic, lane.rank, lane.weight, lane.reason) == (
        tenant.pk, "live", "email", 0, 1, None,
    )  # fmt: skip
    owed = OutboxMessage.objects.get()
    assert (owed.pk, owed.tenant_id, owed.topic, owed.lane_id, owed.rank) == (
        key, tenant.pk, "notification", lane.pk, 0,
    )  # fmt: skip
    assert (owed.fence, owed.leased_by, owed.tries, owed.claims) == (0, None, 0, 0)
    assert owed.due_at == row.created_at
    assert owed.expires_at == row.expires_at
    event = Event.objects.get()
    assert (event.tenant_id, event.notification_id, event.mode, event.type, event.data) == (
        tenant.pk, key, "live", "notification.accepted", {},
    )  # fmt: skip


def test_a_text_message_is_accepted_in_its_normal_form(live: Api) -> None:
    shown = live.one(live.post(SMS).body["id"])
    assert (shown["channel"], shown["recipient"], shown["subject"]) == (
        "sms", "+14155550100", "",
    )  # fmt: skip
    assert Content.objects.get().payload == {"text": "482913"}


@pytest.mark.parametrize(("tenant_mode", "key", "mode"), [
    ("live", "live", "live"), ("live", "test", "test"),
    ("shadow", "live", "shadow"), ("shadow", "test", "test"),
])  # fmt: skip
def test_the_mode_comes_from_tenant_and_key(
    tenant: Tenant, tenant_mode: str, key: str, mode: str
) -> None:
    tenant.mode = tenant_mode
    tenant.save(update_fields=["mode"])
    caller = api(tenant, key)
    assert caller.one(caller.post(email()).body["id"])["mode"] == mode
    assert Lane.objects.get().mode == mode


def test_the_same_lane_is_used_again(live: Api) -> None:
    for _ in range(3):
        live.post(email())
    live.post(email(priority="bulk"))
    live.post(SMS)
    assert sorted(Lane.objects.values_list("topic", "rank")) == [
        ("email", 1), ("email", 2), ("sms", 1),
    ]  # fmt: skip


def test_a_given_request_id_is_used(live: Api) -> None:
    assert live.post(email(), X_Request_Id="mine-1").headers["X-Request-Id"] == "mine-1"
    said = live.post({}, X_Request_Id="mine-2")
    assert said.headers["X-Request-Id"] == said.body["trace_request_id"] == "mine-2"


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "é", "a\tb"])
def test_a_request_id_that_is_no_word_is_not(live: Api, given: str) -> None:
    said = live.post(email(), X_Request_Id=given)
    assert said.status == 202
    assert re.fullmatch(r"rid_[0-9a-f]{32}", said.headers["X-Request-Id"])


LONG = "x" * 600
REFUSED: list[tuple[Any, str, str, str]] = [
    ([], "", "type", "This must be an object."),
    ("email", "", "type", "This must be an object."),
    (None, "", "type", "This must be an object."),
    ({}, "/channel", "required", "This field is needed."),
    ({"channel": None}, "/channel", "not_an_option", "This must be one of email, sms."),
    ({"channel": "pigeon"}, "/channel", "not_an_option", "This must be one of email, sms."),
    ({"channel": "Email"}, "/channel", "not_an_option", "This must be one of email, sms."),
    ({"channel": 1}, "/channel", "not_an_option", "This must be one of email, sms."),
    ({"channel": ["email"]}, "/channel", "not_an_option", "This must be one of email, sms."),
    ({"channel": {"a": 1}}, "/channel", "not_an_option", "This must be one of email, sms."),
    (email(recipient=None), "/recipient", "type", "This must be a string."),
    (email(recipient=True), "/recipient", "type", "This must be a string."),
    (email(recipient=["a@b.org"]), "/recipient", "type", "This must be a string."),
    (email(recipient=""), "/recipient", "too_short", "This must not be empty."),
    (email(recipient="a@" + "b" * 320), "/recipient", "too_long",
     "This may have at most 320 characters."),
    (email(recipient="ada"), "/recipient", "invalid", "An email address must have an @-sign."),
    (email(recipient="a@x.org, b@x.org"), "/recipient", "invalid",
     "This must be one address, not a list."),
    (email(subject=""), "/subject", "too_short", "This must not be empty."),
    (email(subject=None), "/subject", "type", "This must be a string."),
    (email(subject="a\r\nBcc: z@x.org"), "/subject", "invalid",
     "This must be one line without control characters."),
    (email(subject="é" * 500), "/subject", "too_long",
     "This may have at most 998 octets in UTF-8."),
    (email(body="é" * 131_073), "/body", "too_long",
     "This may have at most 262144 octets in UTF-8."),
    (email(html="x" * 262_145), "/html", "too_long",
     "This may have at most 262144 octets in UTF-8."),
    (email(body=5), "/body", "type", "This must be a string."),
    (email(body=""), "", "invalid", "This needs body or html."),
    (email(body=None), "", "invalid", "This needs body or html."),
    (email(priority="urgent"), "/priority", "not_an_option",
     "This must be one of high, normal, bulk."),
    (email(category=None), "/category", "not_an_option",
     "This must be one of transactional, operational, marketing."),
    (email(metadata=[]), "/metadata", "type", "This must be an object."),
    (email(metadata=None), "/metadata", "type", "This must be an object."),
    (email(metadata={"n": 1}), "/metadata/n", "type", "This must be a string."),
    (email(metadata={"n": True}), "/metadata/n", "type", "This must be a string."),
    (email(metadata={"n": {"a": "b"}}), "/metadata/n", "type", "This must be a string."),
    (email(metadata={"": "v"}), "/metadata/", "too_short", "This must not be empty."),
    (email(metadata={"k" * 65: "v"}), "/metadata/" + "k" * 65, "too_long",
     "This may have at most 64 characters."),
    (email(metadata={"k": "v" * 513}), "/metadata/k", "too_long",
     "This may have at most 512 characters."),
    (email(metadata={"a\nb": "v"}), "/metadata/a\nb", "invalid",
     "This must be one line without control characters."),
    (email(metadata={str(n): "v" for n in range(51)}), "/metadata", "too_many",
     "This may have at most 50 entries."),
    (email(metadata={"[key]": 1}), "/metadata/[key]", "type", "This must be a string."),
    (email(metadata={"function-x": 1, "~/": 1}), "/metadata/function-x", "type",
     "This must be a string."),
    (email(cc="b@x.org"), "/cc", "type", "This must be a list."),
    (email(cc=["b@x.org", "no"]), "/cc/1", "invalid", "An email address must have an @-sign."),
    (email(bcc=["b@x.org"] * 51), "/bcc", "too_many", "This may have at most 50 entries."),
    (email(**{"from": "Ada <a@x.org>"}), "/from", "invalid",
     "A display name and angle brackets around the email address are not permitted here."),
    (email(reply_to=""), "/reply_to", "too_short", "This must not be empty."),
    (email(from_="a@x.org"), "/from_", "unknown_field", "There is no such field here."),
    (email(**{LONG: 1}), "/" + "x" * 128, "unknown_field", "There is no such field here."),
    ({"channel": "sms", "recipient": "+14155550100", "body": ""}, "/body", "too_short",
     "This must not be empty."),
    ({"channel": "sms", "recipient": "+14155550100", "body": "x" * 1601}, "/body", "too_long",
     "This may have at most 1600 characters."),
    (SMS | {"subject": "s"}, "/subject", "unknown_field", "There is no such field here."),
    (SMS | {"recipient": "0415 5550100"}, "/recipient", "invalid",
     "This must be a phone number in international form, such as +14155550100."),
]  # fmt: skip


@pytest.mark.parametrize(("body", "pointer", "code", "detail"), REFUSED)
def test_a_mistake_is_pointed_at(
    live: Api, body: Any, pointer: str, code: str, detail: str
) -> None:
    said = live.post(body)
    assert (said.status, said.code) == (422, "invalid")
    assert said.errors[0] == (pointer, code)
    assert said.details[0] == detail
    assert not Notification.objects.exists()


@pytest.mark.parametrize("name", [
    "tenant_id", "status", "lane_id", "id", "created_at", "mode", "generation", "origin",
    "request_id", "settled_at", "due_at", "provider", "template_version", "to", "__proto__",
    "template_version_id", "sender_scope", "chosen_provider_id",
])  # fmt: skip
def test_no_field_of_ours_can_be_assigned(live: Api, name: str) -> None:
    said = live.post(email(**{name: "x"}))
    assert (said.status, said.errors) == (422, [(f"/{name}", "unknown_field")])


def test_every_mistake_is_told_up_to_twenty(live: Api) -> None:
    said = live.post({"channel": "email", "priority": 1, "nope": 1})
    assert sorted(said.errors) == [
        ("/nope", "unknown_field"),
        ("/priority", "not_an_option"),
        ("/recipient", "required"),
        ("/subject", "required"),
    ]
    said = live.post(email(**{f"f{n}": n for n in range(10_000)}))
    assert len(said.errors) == 20
    assert len(said.raw) < 5_000


def test_no_value_of_the_body_is_repeated(live: Api) -> None:
    secret = "s3cr3t-value"
    for body in (
        email(subject=f"{secret}\n"),
        email(metadata={"k": secret * 100}),
        email(headers={"X-A": f"{secret}\r\n"}),
        {"channel": secret},
        secret,
    ):
        assert secret.encode() not in live.post(body).raw


def test_limits_are_reached(live: Api) -> None:
    body = email(
        recipient="a" * 64 + "@" + ".".join(["b" * 47] * 3 + ["org"]),
        subject="é" * 499,
        body="é" * 131_072,
        html="x" * 262_144,
        metadata={f"{n:064}": "é" * 512 for n in range(50)},
        cc=[f"c{n}@x.org" for n in range(50)],
        headers={f"X-{n}": "v" * 998 for n in range(50)},
    )
    said = live.post(json.dumps(body, ensure_ascii=False).encode())
    assert said.status == 202, said.body
    shown = live.one(said.body["id"])
    assert len(shown["metadata"]) == 50
    assert shown["subject"] == "é" * 499


@pytest.mark.parametrize(("field", "text"), [
    ("subject", "日本語 🎉 \u200d"), ("body", "\t a\r\n.\r\nb\n\r \u2028 🎉"), ("html", "<b>\x7f</b>"),
])  # fmt: skip
def test_text_is_kept_as_it_is(live: Api, field: str, text: str) -> None:
    said = live.post(json.dumps(email(**{field: text}), ensure_ascii=False).encode())
    assert said.status == 202
    payload = Content.objects.get().payload
    assert payload["text" if field == "body" else field] == text


class TestSenders:
    @pytest.mark.parametrize(("sender", "is_allowed"), [
        ("hello@sender.example", True), ("HELLO@Sender.example", True),
        ("ada@listed.example", True), ("anyone@domain.example", True),
        ("other@sender.example", False), ("a@sub.domain.example", False),
        ("domain.example@evil.example", False),
    ])  # fmt: skip
    def test_a_sender_is_among_the_providers(
        self, live: Api, tenant: Tenant, sender: str, is_allowed: bool
    ) -> None:
        provider = ProviderFactory.create(tenant=tenant)
        provider.settings["allowed_from"] = ["ada@listed.example", "@domain.example"]
        provider.save(update_fields=["settings"])
        said = live.post(email(**{"from": sender}))
        if is_allowed:
            assert said.status == 202
        else:
            assert (said.status, said.errors) == (422, [("/from", "sender_not_allowed")])
            assert sender in said.details[0]
            assert not Notification.objects.exists()

    def test_without_a_provider_any_sender_waits(self, live: Api) -> None:
        assert live.post(email(**{"from": "a@x.org"})).status == 202

    def test_another_tenants_provider_allows_nothing(self, live: Api, tenant: Tenant) -> None:
        ProviderFactory.create(tenant=tenant)
        other = ProviderFactory.create()
        other.settings["from_email"] = "theirs@x.org"
        other.save(update_fields=["settings"])
        assert live.post(email(**{"from": "theirs@x.org"})).status == 422

    def test_a_text_message_asks_its_own_channels_providers(
        self, live: Api, tenant: Tenant
    ) -> None:
        ProviderFactory.create(tenant=tenant)
        assert live.post(SMS | {"from": "+14155550199"}).status == 202
        ProviderFactory.create(
            tenant=tenant, channel="sms", driver="twilio", settings={"from_number": "+14155550199"}
        )
        assert live.post(SMS | {"from": "+14155550199"}).status == 202
        assert live.post(SMS | {"from": "Acme"}).errors == [("/from", "sender_not_allowed")]
