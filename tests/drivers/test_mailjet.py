"""The Mailjet driver."""

from __future__ import annotations

import json

from delivery.driver import Sent
from delivery.drivers.mailjet import Mailjet
from tests.drivers.over_http import (
    BAD_ACCOUNT,
    BAD_ADDRESS,
    BAD_CONTENT,
    PDF,
    THROTTLED,
    TRANSIENT,
    UNKNOWN,
    MailTests,
    copies,
)
from tests.drivers.vendor import Asked, Canned


def to(email: str, number: int) -> dict[str, object]:
    href = f"https://api.mailjet.com/v3/REST/message/{number}"
    return {"Email": email, "MessageUUID": "123", "MessageID": number, "MessageHref": href}


def problem(status: int, code: str, message: str, *related: str) -> dict[str, object]:
    said = {"ErrorIdentifier": "f987008f-251a", "ErrorMessage": message, "StatusCode": status}
    return (
        said
        | ({"ErrorCode": code} if code else {})
        | ({"ErrorRelatedTo": related} if related else {})
    )


def of_message(status: int, *problems: dict[str, object]) -> Canned:
    return Canned(status, {"Messages": [{"Status": "error", "Errors": problems}]})


INVALID = '"ann@example" is an invalid email address.'


class TestMailjet(MailTests):
    driver = Mailjet
    path = "/v3.1"
    credentials = {"api_key": "key-c0ffee", "secret_key": "sec-c0ffee"}
    yes = Canned(
        200,
        {
            "Messages": [
                {
                    "Status": "success",
                    "CustomID": "",
                    "To": [to("ann@example.com", 576460752303423500)],
                    "Cc": [to("cc@example.com", 576460752303423501)],
                    "Bcc": [to("bcc@example.com", 576460752303423502)],
                }
            ]
        },
    )
    sent = Sent("576460752303423500", "200", copies=copies("sent"))
    answers = [
        (Canned(400, problem(400, "mj-0002", "Malformed JSON")), BAD_CONTENT),
        (Canned(401, problem(401, "mj-0015", "API key authentication failure.")), BAD_ACCOUNT),
        (Canned(401, problem(401, "mj-0001", "API key is suspended.")), BAD_ACCOUNT),
        (Canned(429, problem(429, "", "Too many requests")), THROTTLED),
        (Canned(500, problem(500, "mj-0000", "Internal server error")), TRANSIENT),
        (Canned(500, problem(500, "", "Internal server error")), UNKNOWN),
        (of_message(400, problem(400, "mj-0013", INVALID, "To[0].Email")), BAD_ADDRESS),
        (of_message(400, problem(400, "mj-0013", INVALID, "Cc[0].Email")), BAD_CONTENT),
        (of_message(400, problem(400, "mj-0003", "Mandatory.", "TextPart")), BAD_CONTENT),
        (of_message(400, problem(400, "send-0011", "Header.", 'Headers["Date"]')), BAD_CONTENT),
        (of_message(403, problem(403, "send-0008", "Not authorized.", "From")), BAD_ACCOUNT),
        (of_message(200, problem(400, "mj-0013", INVALID, "To[0].Email")), BAD_ADDRESS),
        (Canned(200, {"Messages": [{"Status": "success"}]}), UNKNOWN),
    ]

    def check_request(self, asked: Asked) -> None:
        assert asked.path == "/v3.1/send"
        assert asked.headers["authorization"] == "Basic a2V5LWMwZmZlZTpzZWMtYzBmZmVl"
        assert asked.json == {
            "Globals": {
                "From": {"Email": "shop@acme.example", "Name": 'Ä "Acme", Inc.'},
                "Cc": [{"Email": "cc@example.com"}],
                "Bcc": [{"Email": "bcc@example.com"}],
                "ReplyTo": {"Email": "help@acme.example"},
                "Subject": "Order confirmed",
                "TextPart": "Thank you.",
                "HTMLPart": "<p>Thank you.</p>",
                "Headers": {"X-Order": "1"},
                "EventPayload": json.dumps({"attempt_id": "att_01"}),
                "Attachments": [
                    {
                        "ContentType": "application/pdf",
                        "Filename": "bill.pdf",
                        "Base64Content": PDF,
                    }
                ],
            },
            "Messages": [{"To": [{"Email": "ann@example.com"}]}],
        }
