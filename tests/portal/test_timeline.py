"""One notification in the portal: all that happened, in words, and nothing of it runs."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from hiram.lib import ids
from notifications.models import Attempt, Content, Notification, OutboxMessage
from tenants.models import Tenant
from tests.factories import email, post
from tests.portal.conftest import People, World, attempt, event

LIST = "/portal/notifications/notification/"


def _detail(row: Notification) -> str:
    return f"{LIST}{row.pk}/change/"


def _settle(row: Notification, status: str) -> None:
    OutboxMessage.objects.filter(pk=row.pk).delete()
    Notification.objects.filter(pk=row.pk).update(status=status, settled_at=timezone.now())


def test_content_and_facts_are_shown(people: People, ours: World) -> None:
    [row] = post(
        ours.tenant,
        email(
            metadata={"order": "4711"},
            html="<p>Thank <b>you</b></p>",
            cc=["carbon@recipient.example"],
            headers={"X-Order": "4711"},
            attachments=[
                {"filename": "a.txt", "content_type": "text/plain", "content": "aGVsbG8="}
            ],
        ),
    )
    page = people["viewer"].get(_detail(row)).content.decode()
    for text in (
        ids.show("ntf", row.pk), "ada@recipient.example", "Order confirmed", "Thank you.",
        "4711", "X-Order", "carbon@recipient.example", "a.txt", "text/plain",
    ):  # fmt: skip
        assert text in page
    assert "aGVsbG8=" not in page
    assert people["viewer"].get(f"{LIST}{ids.show('ntf', row.pk)}/change/").status_code == 200


def test_foreign_html_stays_in_a_frame_without_rights(people: People, ours: World) -> None:
    html = """<script>alert(1)</script>"><img src=x onerror=alert(2)></iframe>
    <meta http-equiv="refresh" content="0;url=https://evil.example">'&quot;"""
    [row] = post(ours.tenant, email(html=html))
    response = people["viewer"].get(_detail(row))
    page = response.content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    [frame] = re.findall(r"<iframe[^>]*>", page)
    assert 'sandbox=""' in frame
    [inside] = re.findall(r'srcdoc="([^"]*)"', frame)
    content = unescape(inside)
    assert content.endswith(html)
    policy = content.removesuffix(html)
    assert "default-src 'none'" in policy
    assert "script-src 'self' 'unsafe-eval'" in response["Content-Security-Policy"]
    assert "unsafe-inline" not in response["Content-Security-Policy"].split("script-src")[1]


def test_an_erased_body_is_said_to_be_erased(people: People, ours: World) -> None:
    Content.objects.filter(pk=ours.notification.content_id).delete()
    page = people["viewer"].get(_detail(ours.notification)).content.decode()
    assert "Subject and body have been erased." in page


def test_hirams_own_mails_do_not_show_their_links(people: People, ours: World) -> None:
    Tenant.objects.filter(pk=ours.tenant.pk).update(is_system=True)
    page = people["operator"].get(_detail(ours.notification)).content.decode()
    assert "OUR text" not in page
    assert "OUR html" not in page
    assert "OUR subject" in page


def _plain(page: str) -> str:
    timeline = page[page.index("hiram-timeline") :]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", timeline)).split())


def test_the_timeline_tells_everything_in_order(people: People, ours: World) -> None:
    [row] = post(ours.tenant)
    began = Notification.objects.get(pk=row.pk).created_at
    attempt(
        row, number=1, outcome=Attempt.Outcome.UNKNOWN, fault=None,
        error="the connection was cut", provider_name="primary",
        started_at=began + timedelta(seconds=1), finished_at=began + timedelta(seconds=4.2),
    )  # fmt: skip
    attempt(
        row, number=2, outcome=Attempt.Outcome.SENT, fault=None, code="250",
        enhanced_code="2.0.0", provider_name="primary", provider_message_id="abc",
        copies=[{"address": "c@x.example", "accepted": False, "code": "550", "detail": "no"}],
        started_at=began + timedelta(seconds=64.2),
        finished_at=began + timedelta(seconds=64.237),
    )  # fmt: skip
    sent = event(row, "notification.sent", provider="primary", driver="smtp")
    type(sent).objects.filter(pk=sent.pk).update(created_at=began + timedelta(seconds=64.25))
    _settle(row, "sent")
    page = people["viewer"].get(_detail(row)).content.decode()
    plain = _plain(page)
    expected = [
        "Accepted", "Attempt 1: Unknown", "+1.0 s", "the provider may have taken it",
        "Through primary · smtp", "Took 3.2 s", "Said the connection was cut",
        "Attempt 2: Sent", "+1 min 3 s", "The provider took it.", "Took 37 ms",
        "Answer 250 2.0.0", "Provider's id abc", "Copies c@x.example: no", "Sent", "+50 ms",
    ]  # fmt: skip
    assert "Worker" not in plain
    assert "Worker worker" in _plain(people["operator"].get(_detail(row)).content.decode())
    places: list[int] = []
    for text in expected:
        assert text in plain[places[-1] if places else 0 :], text
        places.append(plain.index(text, places[-1] if places else 0))
    assert places == sorted(places)


def test_why_it_waits_is_said_in_words(people: People, ours: World) -> None:
    row = ours.notification
    Notification.objects.filter(pk=row.pk).update(reason="no_provider")
    page = people["viewer"].get(_detail(row)).content.decode()
    assert "No provider is set up for this channel" in page
    Notification.objects.filter(pk=row.pk).update(reason="a_new_reason")
    assert "a_new_reason" in people["viewer"].get(_detail(row)).content.decode()


@pytest.mark.parametrize("who", ["viewer", "developer", "admin", "owner", "operator"])
def test_nothing_about_a_notification_can_be_changed(
    who: str, people: People, ours: World
) -> None:
    before = Notification.objects.filter(pk=ours.notification.pk).values().get()
    for page in ("change", "delete"):
        url = _detail(ours.notification).replace("change", page)
        assert people[who].post(url, {"post": "yes", "subject": "x"}).status_code == 403
    assert people[who].get(f"{LIST}add/").status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [str(ours.notification.pk)]}
    people[who].post(LIST, chosen | {"post": "yes"})
    assert Notification.objects.filter(pk=ours.notification.pk).values().get() == before


@pytest.mark.parametrize("odd", ['"><script>alert(1)</script>', "{{ 719*727 }}", "');alert(1);//"])
def test_texts_of_others_are_texts(odd: str, people: People, ours: World) -> None:
    [row] = post(ours.tenant, email(subject=odd, body=odd, metadata={"k" + odd[:9]: odd}))
    attempt(row, error=odd, provider_name=odd, code=odd[:40], worker=odd)
    event(row, "notification." + odd, reason=odd, **{"x" + odd: odd})
    for url in (LIST, _detail(row), f"{LIST}?q={row.pk}"):
        page = people["viewer"].get(url).content.decode()
        assert "<script>alert" not in page
        assert "522713" not in page
        # Inside the theme's expressions no text of anybody's may stand.
        for expression in re.findall(r'\b(?:x-[\w:.-]+|on\w+|@[\w.]+)="([^"]*)"', page):
            assert "alert(1)" not in unescape(expression)


def test_what_the_provider_reported_is_told(people: People, ours: World) -> None:
    [row] = post(ours.tenant)
    made = attempt(row, outcome=Attempt.Outcome.SENT, fault=None, provider_name="primary")
    about = {"attempt_id": str(made.pk), "provider": "primary", "driver": "resend"}
    at = "2026-01-02T03:04:05+00:00"
    event(row, "notification.deferred", **about, description="mailbox full", code="452")
    event(row, "notification.opened", **about, at=at)
    event(row, "notification.bounced", **about, reason="hard_bounce", code="550")
    _settle(row, "bounced")
    plain = _plain(people["viewer"].get(_detail(row)).content.decode())
    places = [
        plain.index(text)
        for text in (
            "The provider tries again", f"Attempt {ids.show('att', made.pk)}", "Answer 452",
            "Said mailbox full", "Opened", f"The provider's time {at}", "Bounced",
            "The address can never be reached.", "Answer 550",
        )
    ]  # fmt: skip
    assert places[:1] + places[2:] == sorted(places[:1] + places[2:])


@pytest.mark.parametrize(
    ("kind", "reason", "said"),
    [
        ("delivered", None, "Delivered"),
        ("bounced", "soft_bounce", "Bounced +.* It came back this time."),
        ("bounced", "hard_bounce", "Bounced +.* The address can never be reached."),
        ("complained", "complaint", "The recipient complained +.* called it spam."),
        ("deferred", None, "The provider tries again"),
        ("rejected", None, "The provider took it, and does not send it"),
        ("opened", None, "Opened"),
        ("clicked", None, "A link was followed"),
    ],
    ids=lambda value: str(value).partition(" ")[0],
)
def test_each_report_is_told_in_words(
    kind: str, reason: str | None, said: str, people: People, ours: World
) -> None:
    [row] = post(ours.tenant)
    event(row, f"notification.{kind}", reason=reason, provider="primary")
    plain = _plain(people["viewer"].get(_detail(row)).content.decode())
    assert re.search(said, plain)
    assert "Provider primary" in plain


def test_suppressed_it_says_why(people: People, ours: World) -> None:
    [row] = post(ours.tenant)
    reason = "suppression:complaint"
    event(row, "notification.suppressed", reason=reason)
    _settle(row, "suppressed")
    Notification.objects.filter(pk=row.pk).update(reason=reason)
    page = people["viewer"].get(_detail(row)).content.decode()
    assert "The recipient complained of an earlier message." in page
