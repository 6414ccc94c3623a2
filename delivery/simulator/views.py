"""How the simulator's API shows a fault, a message, a file."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from delivery.simulator.content import Attachment
from delivery.simulator.faults import Fault
from delivery.simulator.mailbox import Received
from delivery.simulator.orders import Order
from delivery.simulator.web import Response

_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]{1,60}/[\w!#$&^.+-]{1,60}", re.ASCII)


def shown(fault: Fault) -> dict[str, Any]:
    """A fault as the API shows it."""
    return {"id": fault.id, "applied": fault.applied, **asked(fault.order)}


def asked(order: Order) -> dict[str, Any]:
    """An order with the fields that were given."""
    return order.model_dump(exclude_unset=True)


def summary(message: Received) -> dict[str, Any]:
    """A message as lists show it."""
    return {
        "id": message.id,
        "vendor": message.vendor,
        "channel": message.channel,
        "key": message.key,
        "sender": message.sender,
        "recipients": message.recipients,
        "subject": message.subject,
        "received_at": _moment(message.received_at),
        "size": len(message.raw),
    }


def detail(message: Received) -> dict[str, Any]:
    """A message with all that it says."""
    content = message.content
    return {
        **summary(message),
        "account": message.account,
        "message_id": message.message_id,
        "envelope": {"from": message.sender, "rcpt_to": message.recipients},
        "headers": content.headers,
        "text": content.text,
        "html": content.html,
        "attachments": [_described(n, found) for n, found in enumerate(content.attachments)],
    }


def _described(number: int, found: Attachment) -> dict[str, Any]:
    described = {name: value for name, value in asdict(found).items() if name != "content"}
    return {"number": number, **described, "size": len(found.content)}


def _moment(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def file(kind: str, name: str, content: bytes) -> Response:
    """A download, never shown in place; its name percent-encoded (RFC 6266, RFC 8187)."""
    if _MEDIA_TYPE.fullmatch(kind) is None:
        kind = "application/octet-stream"
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return Response(200, content, {"content-type": kind, "content-disposition": disposition})
