"""What providers report, through all processes."""

from __future__ import annotations

from contextlib import suppress

import pytest
import requests

from tests.embedded.waiting import until
from tests.street.instance import Instance
from tests.street.reporting import SECRET, resend
from tests.street.tenant import Tenant

pytestmark = pytest.mark.xdist_group("street")


def types(tenant: Tenant, notification: str) -> list[str]:
    """The events of one notification, as the feed has them."""
    rows = tenant.ask("GET", "/v1/events?limit=100").json()["data"]
    return [
        row["type"].removeprefix("notification.")
        for row in rows
        if row["data"].get("notification_id") == notification
    ]


def test_a_mail_is_reported_delivered_then_complained_of_and_not_written_to_again(
    instance: Instance,
) -> None:
    tenant = instance.tenant()
    told = {
        "url": resend(tenant), "secret": SECRET, "news": ["delivered", "opened", "complained"],
        "times": 3, "shuffled": True, "seed": 5,
    }  # fmt: skip
    match = {"recipient": tenant.to("*")}
    with instance.mailbox.ordered(
        target="resend", kind="callbacks", callbacks=told, match=match, times=1
    ):
        notification = tenant.sent()
        until(lambda: tenant.get(notification)["status"] == "complained", 40)
    seen = tenant.get(notification)
    assert seen["reason"] == "complaint"
    until(lambda: "opened" in types(tenant, notification))
    assert types(tenant, notification).count("complained") == 1
    again = tenant.ended(tenant.sent())
    assert (again["status"], again["reason"]) == ("suppressed", "suppression:complaint")
    assert again["attempts"] == []
    other = tenant.ended(tenant.sent(tenant.letter("eve")))
    assert other["status"] == "sent"


def test_a_lost_answer_is_found_by_a_receipt_and_the_mail_goes_out_once(
    instance: Instance,
) -> None:
    tenant = instance.tenant()
    told = {"url": resend(tenant), "secret": SECRET, "news": ["delivered"]}
    match = {"recipient": tenant.to("*")}
    with instance.mailbox.ordered(
        target="resend", kind="cut_after_accept", callbacks=told, match=match, times=1
    ):
        notification = tenant.sent()
        until(lambda: tenant.get(notification)["status"] == "delivered", 40)
    assert len(tenant.arrived()) == 1
    [attempt] = tenant.get(notification)["attempts"]
    assert attempt["outcome"] == "sent"


def test_forged_ones_change_nothing_and_large_ones_are_not_read(instance: Instance) -> None:
    tenant = instance.tenant()
    url = resend(tenant)
    told = {"url": url, "secret": SECRET, "news": ["bounced"], "times": 5, "forged": True}
    with instance.mailbox.ordered(
        target="resend", kind="callbacks", callbacks=told,
        match={"recipient": tenant.to("*")}, times=1,
    ):  # fmt: skip
        refused = instance.mailbox.called_back().count(403)
        notification = tenant.sent()
        until(lambda: instance.mailbox.called_back().count(403) == refused + 5)
    for body, status in ((b'{"a":' * 100_000, 400), (b"{}", 403), (b"x" * 2_000_000, 413)):
        assert requests.post(url, body, timeout=30).status_code == status
    # Who sends so much may find the line cut before it has sent all.
    with suppress(requests.ConnectionError):
        assert requests.post(url, b"x" * 20_000_000, timeout=30).status_code == 413
    assert tenant.ended(notification)["status"] == "sent"
    assert tenant.ask("GET", "/v1/suppressions").json()["data"] == []
