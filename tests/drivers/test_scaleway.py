"""The Scaleway driver."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from delivery.driver import Account, Copy, Driver, Failed, Sent
from delivery.drivers.scaleway import Scaleway
from tests.drivers.over_http import (
    BAD_ACCOUNT,
    BAD_ADDRESS,
    BAD_CONTENT,
    PDF,
    PLAIN,
    SECONDS,
    THROTTLED,
    TRANSIENT,
    UNKNOWN,
    MailTests,
    copies,
)
from tests.drivers.vendor import Asked, Canned, Vendor

PROJECT = "6b0d9e4e-0000-4000-8000-000000000000"


def email(recipient: str, status: str = "new") -> dict[str, str]:
    return {"id": f"id-{recipient[:3]}", "mail_rcpt": recipient, "status": status}


def error(status: int, type_: str, message: str, **more: Any) -> Canned:
    return Canned(status, {"type": type_, "message": message, **more})


def invalid(*names: str) -> Canned:
    details = [{"argument_name": name, "reason": "format", "help_message": ""} for name in names]
    return error(400, "invalid_arguments", "invalid argument(s)", details=details)


class TestScaleway(MailTests):
    driver = Scaleway
    path = "/transactional-email/v1alpha1"
    settings = {**MailTests.settings, "project_id": PROJECT, "region": "fr-par"}
    credentials = {"secret_key": "scw-c0ffee-secret"}
    yes = Canned(200, {"emails": [email(f"{name}@example.com") for name in ("ann", "cc", "bcc")]})
    sent = Sent("id-ann", "200", copies=copies())
    answers = [
        (invalid("to"), BAD_ADDRESS),
        (invalid("to[0].email"), BAD_ADDRESS),
        (invalid("to.0.email", "subject"), BAD_CONTENT),
        (invalid("total_size"), BAD_CONTENT),
        (error(401, "denied_authentication", "authentication is denied"), BAD_ACCOUNT),
        (error(403, "permissions_denied", "insufficient permissions"), BAD_ACCOUNT),
        (error(403, "quotas_exceeded", "quota(s) exceeded for this resource"), BAD_ACCOUNT),
        (error(404, "not_found", "resource is not found"), BAD_ACCOUNT),
        (error(409, "transient_state", "resource is in a transient state"), TRANSIENT),
        (error(412, "precondition_failed", "the domain is not checked"), BAD_ACCOUNT),
        (error(429, "too_many_requests", "too many requests"), THROTTLED),
        (error(500, "internal_error", "internal error"), TRANSIENT),
        (Canned(500, {"message": "internal error"}), UNKNOWN),
        (Canned(200, {"emails": [email("ann@example.com", "failed")]}), BAD_CONTENT),
        (Canned(200, {"emails": []}), UNKNOWN),
    ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/transactional-email/v1alpha1/regions/fr-par/emails"
        assert asked.headers["x-auth-token"] == "scw-c0ffee-secret"
        assert asked.json == {
            "project_id": PROJECT,
            "from": {"email": "shop@acme.example", "name": 'Ä "Acme", Inc.'},
            "to": [{"email": "ann@example.com"}],
            "cc": [{"email": "cc@example.com"}],
            "bcc": [{"email": "bcc@example.com"}],
            "subject": "Order confirmed",
            "text": "Thank you.",
            "html": "<p>Thank you.</p>",
            "additional_headers": [
                {"key": "Reply-To", "value": "help@acme.example"},
                {"key": "X-Order", "value": "1"},
                {"key": "X-Metadata", "value": json.dumps({"attempt_id": "att_01"})},
            ],
            "attachments": [{"name": "bill.pdf", "type": "application/pdf", "content": PDF}],
        }

    def test_written_otherwise(self, made: Driver, account: Account, server: Vendor) -> None:
        """A status may name the recipient in ASCII and in other letter case."""
        server.answers.append(Canned(200, {"emails": [email("Ann@XN--BCHER-KVA.example")]}))
        message = replace(PLAIN, recipient="ann@bücher.example", cc=("cc@example.com",))
        answer = made.send(account, message, timeout=SECONDS)
        assert isinstance(answer, Sent), answer
        assert answer.copies == (Copy("cc@example.com", False, "unknown"),)
        assert server.asked[0].json["to"] == [{"email": "ann@xn--bcher-kva.example"}]

    def test_no_format_fields(self, made: Driver, account: Account, server: Vendor) -> None:
        """The address is a tenant's word: braces in it are not looked up in anything."""
        address = account.settings.api_url + "/{region.__class__}"
        settings = replace(account.settings, api_url=address)
        made.send(replace(account, settings=settings), PLAIN, timeout=SECONDS)
        assert server.asked[0].path.endswith("/%7Bregion.__class__%7D/regions/fr-par/emails")

    def test_unsupported(self, made: Driver, account: Account, server: Vendor) -> None:
        """Mailboxes in other scripts (RFC 6531) would be lost there."""
        answer = made.send(account, replace(PLAIN, recipient="änn@example.com"), timeout=SECONDS)
        assert isinstance(answer, Failed)
        assert (answer.fault, answer.detail) == (
            BAD_CONTENT,
            "Scaleway does not support EAI in to",
        )
        assert server.asked == []
