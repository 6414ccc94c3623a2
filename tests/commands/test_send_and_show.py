"""send, show."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime, timedelta

import pytest

from hiram.lib import ids
from notifications.models import Attempt, DeadLetter, Event, Notification, OutboxMessage
from tests.commands.running import done, refused, said
from tests.tenancy import make_tenant

pytestmark = pytest.mark.django_db


def test_what_is_sent_is_shown() -> None:
    tenant = make_tenant("Example")
    sent = done(
        "send", "Example", "--channel", "email", "--to", "You@B.example", "--subject", "Hi",
        "--body", "text", "--html", "<p>", "--priority", "high", "--category", "operational",
        "--metadata", "order=1", "--metadata", "a=b=c",
    )  # fmt: skip
    row = Notification.objects.get()
    assert sent == {
        "id": ids.show("ntf", row.pk),
        "status": "accepted",
        "tenant_id": ids.show("tnt", tenant.pk),
        "mode": "live",
    }
    assert OutboxMessage.objects.get().pk == row.pk

    shown = done("show", sent["id"])
    assert (shown["tenant"], shown["tenant_id"]) == ("Example", sent["tenant_id"])
    assert (shown["recipient"], shown["subject"], shown["priority"]) == (
        "You@b.example", "Hi", "high",
    )  # fmt: skip
    assert shown["metadata"] == {"order": "1", "a": "b=c"}
    assert [event["type"] for event in shown["events"]] == ["notification.accepted"]
    assert (shown["attempts"], shown["dead_letters"]) == ([], [])
    text = said("show", sent["id"])
    assert "recipient: You@b.example" in text
    assert "notification.accepted" in text


@pytest.mark.parametrize(
    ("tenant_mode", "words", "mode"),
    [("live", ("--test",), "test"), ("shadow", (), "shadow"), ("shadow", ("--test",), "test")],
)
def test_the_mode_is_as_with_a_key(tenant_mode: str, words: tuple[str, ...], mode: str) -> None:
    make_tenant("Example", tenant_mode)
    to = ("--channel", "sms", "--to", "+14155550100", "--body", "x")
    assert done("send", "Example", *to, *words)["mode"] == mode
    assert Notification.objects.get().mode == mode


def test_a_body_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    make_tenant("Example")
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\nb\n"))
    done("send", "Example", "--channel", "sms", "--to", "+14155550100", "--body", "-")
    assert done("show", ids.show("ntf", Notification.objects.get().pk))["channel"] == "sms"


@pytest.mark.parametrize(
    "words",
    [
        ("Nobody", "--channel", "sms", "--to", "+14155550100", "--body", "x"),
        ("Example", "--channel", "pigeon", "--to", "x", "--body", "x"),
        ("Example", "--channel", "email", "--to", "x", "--subject", "x", "--body", "x"),
        ("Example", "--channel", "email", "--to", "a@b.example", "--body", "x"),
        ("Example", "--channel", "email", "--to", "a@b.example", "--subject", "x"),
        ("Example", "--channel", "sms", "--to", "+14155550100", "--body", "x", "--subject", "y"),
        ("Example", "--channel", "sms", "--to", "+14155550100", "--body", "x", "--priority", "y"),
        ("Example", "--channel", "sms", "--to", "+14155550100", "--body", "x", "--metadata", "y"),
        ("Example", "--channel", "sms", "--body", "x"),
        ("Example",),
        (),
    ],
)
def test_what_cannot_be_sent_is_refused(words: tuple[str, ...]) -> None:
    make_tenant("Example")
    refused("send", *words)
    assert Notification.objects.count() == 0


def test_what_does_not_exist_is_not_shown() -> None:
    for wrong in ("x", "ntf_x", ids.show("ntf", ids.new()), ids.show("tnt", ids.new())):
        assert wrong[:4] in refused("show", wrong)


def test_a_terminal_reads_no_commands_out_of_what_is_shown() -> None:
    make_tenant("Example")
    sms = ("--channel", "sms", "--to", "+14155550100", "--body", "x")
    sent = done("send", "Example", *sms, "--metadata", "a=\x1b[31mred")
    assert "\x1b" not in said("show", sent["id"])


def test_attempts_and_dead_letters_are_shown() -> None:
    tenant = make_tenant("Example")
    sms = ("--channel", "sms", "--to", "+14155550100", "--body", "x")
    sent = done("send", "Example", *sms)
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    row = Notification.objects.get()
    for number, outcome in ((2, "rejected"), (1, "unknown")):
        Attempt.objects.create(
            tenant=tenant, subject_id=row.pk, number=number, fence=number, worker="w",
            outcome=outcome, error="550 no\x1b[31m", started_at=at,
            finished_at=at + timedelta(milliseconds=37), provider_name="main", driver="smtp",
        )  # fmt: skip
    DeadLetter.objects.create(tenant=tenant, notification_id=row.pk, reason="bad_content")
    DeadLetter.objects.create(tenant=make_tenant(), notification_id=row.pk, reason="not ours")

    shown = done("show", sent["id"])

    attempts = [(a["number"], a["outcome"], a["duration_ms"]) for a in shown["attempts"]]
    assert attempts == [(1, "unknown", 37), (2, "rejected", 37)]
    assert [letter["reason"] for letter in shown["dead_letters"]] == ["bad_content"]
    text = said("show", sent["id"])
    assert "\x1b" not in text
    assert text.index("attempts:") < text.index("events:") < text.index("dead letters:")


def test_events_name_attempts_as_the_api_does() -> None:
    tenant = make_tenant("Example")
    sent = done("send", "Example", "--channel", "sms", "--to", "+14155550100", "--body", "x")
    attempt_id = ids.new()
    Event.objects.create(
        id=ids.new(), tenant=tenant, notification_id=Notification.objects.get().pk, mode="live",
        type="notification.attempted", data={"attempt_id": str(attempt_id), "number": 1},
    )  # fmt: skip
    [_, event] = done("show", sent["id"])["events"]
    assert event["data"] == {"attempt_id": ids.show("att", attempt_id), "number": 1}
