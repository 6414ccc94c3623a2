"""Read: what a mail that came to a return path reports. Pure.

Two forms are for machines: delivery status notifications (RFC 3464; RFC 6533 with
internationalised addresses) and abuse reports (RFC 5965), each as the part of a multipart/report
(RFC 6522). Everything else, out-of-office answers above all, reports nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from delivery.driver import Fault, Kind
from delivery.inbound.entity import Entity, Fields
from delivery.smtp_driver.faults import Phase, classify

NAME_CHARACTERS = 512

# RFC 3464, 2.3.3. Relayed and expanded: it has left the world that reports.
_ACTIONS = {
    "failed": Kind.BOUNCED,
    "delayed": Kind.DEFERRED,
    "delivered": Kind.DELIVERED,
    "relayed": Kind.ACCEPTED,
    "expanded": Kind.ACCEPTED,
}
# RFC 5965, 7.3. Others are of authentication (RFC 6591), of viruses, or that it is no spam.
_COMPLAINTS = ("abuse", "fraud")
_STATUSES = ("message/delivery-status", "message/global-delivery-status")
_ABUSE = "message/feedback-report"

_WORD = re.compile(r"[a-z-]*")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?![\d.])")
_REPLY = re.compile(r"(\d{3})(?:[ -]+([245]\.\d{1,3}\.\d{1,3})(?![\d.]))?")
_ESCAPED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_REPLY_USUALLY = 550


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of one recipient, by any of the names that the report has for it."""

    kind: Kind
    names: tuple[str, ...]
    hard: bool = False
    code: str = ""
    description: str = ""
    at: datetime | None = None
    raw: str = ""


def read(mail: bytes, *, from_nobody: bool) -> list[Said]:
    """What `mail` reports. `from_nobody`: its envelope sender is empty, as that of every delivery
    status notification must be (RFC 3464, 2); an abuse report may have one.
    """
    whole = Entity.of(mail)
    if whole.fields.kind() != "multipart/report":
        return []
    for part in whole.parts():
        if part.fields.kind() in _STATUSES:
            return _statuses(whole, part) if from_nobody else []
        if part.fields.kind() == _ABUSE:
            return _abuse(whole, part)
    return []


def _statuses(whole: Entity, part: Entity) -> list[Said]:
    when, raw = whole.fields.moment("Date"), part.text()
    found = (_status(block, when, raw) for block in part.blocks())
    return [said for said in found if said is not None]


def _status(block: Fields, when: datetime | None, raw: str) -> Said | None:
    action = _WORD.match(block.text("Action").lower())
    kind = _ACTIONS.get(action[0] if action else "")
    names = _names(block.text("Original-Recipient"), block.text("Final-Recipient"))
    if kind is None or not names:
        return None
    by, _, words = block.text("Diagnostic-Code").partition(";")
    reply = _REPLY.match(words.strip()) if by.strip().lower() == "smtp" else None
    said = _STATUS.match(block.text("Status"))
    code, enhanced = said[0] if said else "", (reply and reply[2]) or ""
    # Some servers have one status for everything, and the next server's own words beside it.
    if enhanced and (not code or code.endswith(".0.0")):
        code = enhanced
    return Said(
        kind,
        names,
        kind is Kind.BOUNCED and _is_hard(code, int(reply[1]) if reply else 0, words),
        code or (reply[1] if reply else ""),
        words.strip(),
        block.moment("Last-Attempt-Date") or when,
        raw,
    )


def _is_hard(code: str, reply: int, words: str) -> bool:
    """Whether the address is no good for ever: by the table that refusals of it have as well.

    Class 5 alone is not enough: a full mailbox, a filter's or a size's refusal is of this mail.
    """
    if not code.startswith("5") and (code or reply < 500):
        return False
    asked = reply if reply >= 500 else _REPLY_USUALLY
    return classify(Phase.RCPT, asked, code, words) is Fault.BAD_ADDRESS


def _abuse(whole: Entity, part: Entity) -> list[Said]:
    report = Fields.of(part.text())
    kind = report.text("Feedback-Type").lower()
    if kind not in _COMPLAINTS:
        return []
    names = _names(report.text("Original-Rcpt-To"))
    when = whole.fields.moment("Date")
    return [Said(Kind.COMPLAINED, names, code=kind, at=when, raw=part.text())]


def _names(*fields: str) -> tuple[str, ...]:
    """Addresses, each of them with or without its type (`rfc822; ann@example.com`)."""
    found = (field.rpartition(";")[2].strip(" <>")[:NAME_CHARACTERS] for field in fields)
    return tuple(_ESCAPED.sub(_unescaped, name) for name in found if name)


def _unescaped(match: re.Match[str]) -> str:
    """A character as it is spelled where only ASCII passes (RFC 6533, 3)."""
    point = int(match[1], 16)
    return chr(point) if point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF else match[0]
