"""Reports as mail servers write them, by hand: each line can be changed before it is sent."""

from __future__ import annotations

from typing import Any

ADA = "ada@recipient.example"
NOBODY, SOMEBODY = "", "someone@recipient.example"
STATUS = "message/delivery-status"

POSTFIX = """Received: from mx.recipient.example by mx.sender.example; Fri, 2 Jan 2026 03:04:06 +0000
Date: Fri, 2 Jan 2026 03:04:05 +0000 (UTC)
From: MAILER-DAEMON@mx.recipient.example (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: b+x@bounces.sender.example
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type={report};
\tboundary="9B0A4C0.1767323045/mx.recipient.example"
Message-Id: <20260102030405.9B0A4C0@mx.recipient.example>

This is a MIME-encapsulated message.

--9B0A4C0.1767323045/mx.recipient.example
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients.

--9B0A4C0.1767323045/mx.recipient.example
Content-Description: Delivery report
Content-Type: {kind}

{body}
--9B0A4C0.1767323045/mx.recipient.example
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

From: hello@sender.example
To: ada@recipient.example
Subject: Order confirmed
Content-Type: multipart/report; report-type=delivery-status; boundary=inner

--9B0A4C0.1767323045/mx.recipient.example--
"""

HEAD = """Reporting-MTA: dns; mx.recipient.example
X-Postfix-Queue-ID: 9B0A4C0
X-Postfix-Sender: rfc822; b+x@bounces.sender.example
Arrival-Date: Fri,  2 Jan 2026 03:04:04 +0000 (UTC)
"""


def block(*, to: str = ADA, action: str = "failed", status: str = "5.1.1", **more: str) -> str:
    """What is said of one recipient; `more` are further fields, `_` for `-`."""
    fields = {
        "Final-Recipient": f"rfc822; {to}",
        "Action": action,
        "Status": status,
        "Remote-MTA": "dns; mx.recipient.example",
        "Diagnostic-Code": f"smtp; 550 {status} <{to}>: Recipient address rejected",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def bounce(*blocks: str, kind: str = STATUS, head: str = HEAD) -> bytes:
    """A delivery status notification, as Postfix writes it."""
    body = "\n".join([head, *(blocks or (block(),))])
    return mail(body, kind=kind)


def complaint(kind: str = "abuse", *more: str) -> bytes:
    """An abuse report (RFC 5965)."""
    fields = [f"Feedback-Type: {kind}", "User-Agent: SomeGenerator/1.0", "Version: 1", *more]
    return mail("\n".join([*fields, ""]), kind="message/feedback-report", report="feedback-report")


def mail(body: str, *, kind: str, report: str = "delivery-status") -> bytes:
    """A mail with `body` as the part that machines read, with the line ends of mail."""
    filled: Any = POSTFIX.format(report=report, kind=kind, body=body)
    return bytes(filled.replace("\n", "\r\n").encode())
