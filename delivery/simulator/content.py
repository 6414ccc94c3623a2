"""What a stored message says, read from its wire form only when somebody looks.

Reading never fails: what cannot be decoded is shown with replacement characters.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from typing import Any
from urllib.parse import parse_qs

_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^<>\r\n]+)>", re.IGNORECASE | re.MULTILINE)
_SUBJECT = re.compile(rb"^subject:((?:[^\r\n]|\r?\n[ \t])*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attached file, decoded."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """The readable parts of a message; headers in their order, repeated ones repeated."""

    subject: str = ""
    text: str = ""
    html: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()


def head(raw: bytes) -> bytes:
    """The header section of an RFC 5322 message."""
    if raw.startswith(b"\r\n"):
        return b""
    end = raw.find(b"\r\n\r\n")
    return raw if end < 0 else raw[: end + 2]


def message_id(raw: bytes) -> str:
    """The Message-ID of an RFC 5322 message without its angle brackets, else ""."""
    found = _MESSAGE_ID.search(head(raw))
    return found.group(1).decode("utf-8", "replace") if found else ""


def subject(vendor: str, raw: bytes) -> str:
    """Only the subject: for lists, where reading whole messages would cost too much."""
    if vendor != "smtp":
        return read(vendor, raw).subject
    found = _SUBJECT.search(head(raw))
    return _header(found.group(1).decode("utf-8", "replace")) if found else ""


def read(vendor: str, raw: bytes) -> Content:
    """The content of `raw`, in the wire form that `vendor` is spoken to in."""
    return _READERS[vendor](raw)


def _header(value: str) -> str:
    """A header's value, unfolded, its encoded words (RFC 2047) decoded."""
    unfolded = re.sub(r"\r?\n([ \t])", r"\1", value).strip()
    try:
        parts = decode_header(unfolded)
    except (ValueError, binascii.Error):
        return unfolded
    return "".join(_word(part, charset) for part, charset in parts)


def _word(part: bytes | str, charset: str | None) -> str:
    return part if isinstance(part, str) else _text(part, charset)


def _text(data: bytes, charset: str | None) -> str:
    try:
        return data.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def _mime(raw: bytes) -> Content:
    message = message_from_bytes(raw)
    # Raw 8-bit header values (RFC 6532) come as surrogate escapes.
    headers = tuple(
        (name, _header(value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")))
        for name, value in message.raw_items()
    )
    text, html = "", ""
    attachments: list[Attachment] = []
    for part in _leaves(message):
        kind, body = part.get_content_type(), _body(part)
        attached = part.get_content_disposition() == "attachment" or part.get_filename()
        if kind == "text/plain" and not attached and not text:
            text = _text(body, part.get_content_charset())
        elif kind == "text/html" and not attached and not html:
            html = _text(body, part.get_content_charset())
        else:
            attachments.append(Attachment(_header(part.get_filename() or ""), kind, body))
    return Content(
        subject=next((value for name, value in headers if name.lower() == "subject"), ""),
        text=text,
        html=html,
        headers=headers,
        attachments=tuple(attachments),
    )


def _leaves(message: Message) -> Iterator[Message]:
    """Parts without parts; an attached message stays one file."""
    if not message.is_multipart() or message.get_content_maintype() == "message":
        yield message
        return
    for part in message.get_payload():
        if isinstance(part, Message):
            yield from _leaves(part)


def _body(part: Message) -> bytes:
    if part.is_multipart():
        return b"".join(bytes(inner) for inner in part.get_payload() if isinstance(inner, Message))
    body = part.get_payload(decode=True)
    return body if isinstance(body, bytes) else b""


def _resend(raw: bytes) -> Content:
    """The JSON of one e-mail, as https://resend.com/docs/api-reference/emails/send-email has it."""
    email: Mapping[str, Any] = json.loads(raw)
    return Content(
        subject=email.get("subject") or "",
        text=email.get("text") or "",
        html=email.get("html") or "",
        headers=tuple((name, str(value)) for name, value in _addressing(email)),
        attachments=tuple(_attachment(item) for item in email.get("attachments") or ()),
    )


def _addressing(email: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for field in ("from", "to", "cc", "bcc", "reply_to"):
        value = email.get(field)
        if value:
            name = field.replace("_", "-").title()
            yield name, ", ".join(value) if isinstance(value, list) else value
    yield from (email.get("headers") or {}).items()


def _attachment(item: Mapping[str, Any]) -> Attachment:
    try:
        content = b64decode(item.get("content") or "")
    except ValueError:
        content = b""
    kind = str(item.get("content_type") or "application/octet-stream").partition(";")[0]
    return Attachment(item.get("filename") or "", kind, content)


def _twilio(raw: bytes) -> Content:
    """The form of https://www.twilio.com/docs/messaging/api/message-resource."""
    form = parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True)
    headers = tuple((name, value) for name in form for value in form[name] if name != "Body")
    return Content(text=form.get("Body", [""])[0], headers=headers)


_READERS: Mapping[str, Callable[[bytes], Content]] = {
    "smtp": _mime,
    "resend": _resend,
    "twilio": _twilio,
}
