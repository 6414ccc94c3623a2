"""A one-time password: it arrives, and then it is nowhere in the database any more."""

from __future__ import annotations

import pytest

from tests.embedded.waiting import until
from tests.street.tenant import Tenant
from tests.walk import found

pytestmark = pytest.mark.xdist_group("street")

SECONDS = 30


def hits(tenant: Tenant, code: str) -> set[str]:
    with tenant.instance.database() as database, database.cursor() as cursor:
        return found(cursor, code)


def password(tenant: Tenant, code: str, name: str) -> str:
    """Send it in every part of a mail, with a key that is remembered."""
    parts = {"subject": f"{code} is your code", "body": code, "html": f"<p>{code}</p>"}
    return tenant.sent(tenant.letter(name, **parts), Idempotency_Key=name)


def test_a_one_time_password_is_gone_when_it_is_delivered(tenant):
    code = f"otp-{tenant.id}-719727"
    assert tenant.ask("PATCH", "/v1/policies/transactional", {"retain_seconds": 0}).ok
    notification = password(tenant, code, "ada")
    assert tenant.ended(notification)["status"] == "sent"
    until(lambda: not hits(tenant, code), SECONDS)

    seen = tenant.get(notification)
    assert (seen["status"], seen["subject"]) == ("sent", "")
    assert seen["body_erased_at"] is not None
    [mail] = tenant.arrived()
    letter = tenant.instance.mailbox.message(mail["id"])
    assert (letter["subject"], letter["text"].rstrip()) == (f"{code} is your code", code)


def test_while_it_is_tried_again_it_is_there_and_goes_with_the_failure(tenant):
    code = f"otp-{tenant.id}-727719"
    assert tenant.ask("PATCH", "/v1/policies/transactional", {"retain_seconds": 0}).ok
    busy = {"target": "smtp", "kind": "status", "code": 451, "enhanced": "4.3.0"}
    wrong = {"target": "smtp", "kind": "status", "code": 550, "enhanced": "5.1.1"}
    with tenant.instance.mailbox.ordered(**busy, match={"recipient": tenant.to("bea")}):
        notification = password(tenant, code, "bea")
        until(lambda: len(tenant.get(notification)["attempts"]) >= 2, SECONDS)
        assert hits(tenant, code) == {
            "notifications_content.payload",
            "notifications_notification.subject",
        }
    with tenant.instance.mailbox.ordered(**wrong, match={"recipient": tenant.to("bea")}):
        until(lambda: tenant.instance.owed(hasten=True) == 0, SECONDS)
    assert tenant.ended(notification)["status"] == "failed"
    until(lambda: not hits(tenant, code), SECONDS)
    [letter] = tenant.ask("GET", "/v1/dead-letters").json()["data"]
    assert letter["payload"] is None
    answer = tenant.ask("POST", f"/v1/notifications/{notification}/replay")
    assert (answer.status_code, answer.json()["code"]) == (409, "body_erased")


def test_what_is_not_told_to_be_erased_stays(tenant):
    code = f"otp-{tenant.id}-272917"
    assert tenant.ended(password(tenant, code, "eve"))["status"] == "sent"
    assert hits(tenant, code) == {
        "notifications_content.payload",
        "notifications_notification.subject",
    }
