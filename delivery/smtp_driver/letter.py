"""From a composed message to the bytes and the envelope of an e-mail.

Headers, encoded words and the tree of parts are made by Django's mail classes, whose checks stop
header injection. Writing the tree is done here: three times as fast as the standard generator,
with line ends and encodings that pass every server unchanged, and the same bytes on every try.
"""

from __future__ import annotations

import hashlib
import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Mapping
from dataclasses import dataclass
from email.charset import Charset
from email.encoders import encode_base64
from email.header import Header
from email.message import Message as Part
from email.mime.base import MIMEBase
from email.utils import format_datetime, formataddr
from functools import lru_cache
from typing import Any

import idna
from django.core.mail import EmailMultiAlternatives

from delivery.driver import Attachment, Message

# Never 8-bit on the wire: no server needs 8BITMIME for it, and no relay converts it on the way,
# which would break its DKIM signature (RFC 6376 section 5.3).
_UTF8 = Charset("utf-8")
_UTF8.body_encoding = None  # type: ignore[assignment]

_PLAIN = bytes([9, 10, *range(32, 127)])
_HIGH = bytes(range(128, 256))
_LONG_LINE = re.compile(rb"[^\n]{999}")  # RFC 5321 section 4.5.3.1.6
_FOLD = 76
_CONTROL = frozenset(map(chr, (*range(32), *range(127, 160), 0x2028, 0x2029)))
_BREAK = re.compile(r"\r|\n(?![ \t])")

_LOCAL = re.compile(r'[^\s"(),:;<>@\[\\\]]+|"(?:[^"\\]|\\[ -~])*"')
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII | re.IGNORECASE)
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")
_CONTENT_TYPE = re.compile(r"(?!multipart/|message/)[\w.+-]+/[\w.+-]+", re.ASCII | re.IGNORECASE)

# Headers that are made here, or that would say something untrue about the way the mail took.
_OURS = frozenset([
    "from", "to", "cc", "bcc", "reply-to", "sender", "date", "message-id", "subject",
    "mime-version", "return-path", "received", "content-type", "content-transfer-encoding",
    "content-disposition", "content-id", "dkim-signature",
])  # fmt: skip


class BadAddress(ValueError):
    """It is not an address that mail can be sent to."""


class BadLetter(ValueError):
    """The message cannot be written as an e-mail; says why."""


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail ready to be handed over: `data` has CRLF line ends and is not dot-stuffed.

    `sender` is the envelope's, which `data` need not name; `is_returned` to an address of its own.
    """

    sender: str
    recipient: str
    copies: tuple[str, ...]
    data: bytes
    international: bool
    is_returned: bool = False


@dataclass(frozen=True, slots=True)
class Sender:
    """The account's own address and name, and what further senders it allows."""

    email: str
    name: str = ""
    allowed: tuple[str, ...] = ()

    def allows(self, address: str) -> bool:
        """Whether `address` is the account's, or is listed, or is in a listed `@domain`."""
        wanted = address.casefold()
        domain = "@" + wanted.rpartition("@")[2]
        return wanted == self.email.casefold() or any(
            allowed.casefold() in (wanted, domain) for allowed in self.allowed
        )


def address(text: str) -> str:
    """`text` as an envelope address, its domain in ASCII (IDNA 2008). Raises BadAddress.

    The local part may have non-ASCII characters (RFC 6531); address literals are not accepted.
    """
    local, _, domain = text.rpartition("@")
    if not local.isprintable() or len(local.encode()) > 64 or not _LOCAL.fullmatch(local):
        raise BadAddress("the part before @ is not valid")
    return f"{local}@{_domain(domain)}"


@lru_cache(maxsize=1024)
def _domain(name: str) -> str:
    try:
        name = name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    except UnicodeError:
        raise BadAddress("the domain is not valid") from None
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise BadAddress("the domain is not valid")
    return name


def compose(message: Message, sender: Sender) -> Letter:
    """The e-mail for `message`. Raises BadAddress for its recipient, else BadLetter."""
    recipient = address(message.recipient)
    try:
        return _compose(message, sender, recipient)
    except BadLetter:
        raise
    except BadAddress as error:
        raise BadLetter(f"an address besides the recipient's: {error}") from None
    except ValueError:
        # Django's BadHeaderError and the like repeat the value: it is not for logs.
        raise BadLetter("a header has a line break or a character that it cannot have") from None


def _compose(message: Message, sender: Sender, recipient: str) -> Letter:
    from_address = message.sender or sender.email
    if not sender.allows(from_address):
        raise BadLetter("the sender is not one that this account may use")
    name = message.sender_name or (sender.name if from_address == sender.email else "")
    from_address = address(from_address)
    copies = tuple(address(copy) for copy in (*message.cc, *message.bcc))
    fields = {
        "From": _mailbox(name, from_address),
        "To": recipient,
        "Cc": ", ".join(copies[: len(message.cc)]),
        "Reply-To": address(message.reply_to) if message.reply_to else "",
    }
    headers = {
        **_allowed(message.headers),
        "Message-ID": f"<{message.key}@{from_address.rpartition('@')[2]}>",
        "Date": format_datetime(message.at),
    }
    data = _written(_tree(message, fields, headers), _mark(message))
    addresses = (from_address, recipient, *copies, fields["Reply-To"])
    international = not all(map(str.isascii, addresses))
    # Another one on each try, so in the envelope alone: what is hashed stays the same.
    envelope = address(message.return_path) if message.return_path else from_address
    return Letter(envelope, recipient, copies, data, international, bool(message.return_path))


def _tree(message: Message, fields: dict[str, str], headers: dict[str, str]) -> Part:
    """The message as Django makes it; addresses that it cannot write are put in afterwards."""
    plain = {name: value if value.isascii() else "utf8@invalid" for name, value in fields.items()}
    mail = EmailMultiAlternatives(
        _subject(message.subject),
        message.text or message.html,
        plain["From"],
        [plain["To"]],
        attachments=[_attached(attachment) for attachment in message.attachments],
        headers=headers,
        cc=[plain["Cc"]] if plain["Cc"] else None,
        reply_to=[plain["Reply-To"]] if plain["Reply-To"] else None,
    )
    mail.encoding = _UTF8
    if message.text and message.html:
        mail.attach_alternative(message.html, "text/html")
    elif message.html:
        mail.content_subtype = "html"
    part: Part = mail.message()
    for name, value in fields.items():
        if not value.isascii():
            part.replace_header(name, value.encode().decode("ascii", "surrogateescape"))
    return part


def _allowed(headers: Mapping[str, str]) -> dict[str, str]:
    for name in headers:
        if name.lower() in _OURS or not _HEADER_NAME.fullmatch(name):
            raise BadLetter(f"the header {name!r} cannot be set")
    return dict(headers)


def _subject(text: str) -> str:
    """In encoded words of which the first has room for the header's name, as Django's has not."""
    if text.isascii() or _BREAK.search(text):
        return text
    return Header(text, _UTF8, header_name="Subject").encode(linesep="")


def _mailbox(name: str, email: str) -> str:
    """With the name as it is written: neither a line break nor an encoded word hides in it."""
    if not name:
        return email
    if not _CONTROL.isdisjoint(name):
        raise BadLetter("the sender's name has a line break or a control character")
    if name.isascii() and "=?" not in name:
        return formataddr((name, "a")).removesuffix("<a>") + f"<{email}>"
    return f"{Header(name, _UTF8).encode(linesep='')} <{email}>"


def _attached(attachment: Attachment) -> MIMEBase:
    """A part with exactly these bytes: base64 always, and no type that would be parsed anew."""
    content_type = attachment.content_type
    if not _CONTENT_TYPE.fullmatch(content_type):
        content_type = "application/octet-stream"
    part = MIMEBase(*content_type.split("/"))
    part.set_payload(attachment.content)
    encode_base64(part)
    name = attachment.filename
    filename = name if name.isascii() else ("utf-8", "", name)
    part.add_header("Content-Disposition", "attachment", filename=filename)
    return part


def _mark(message: Message) -> str:
    """What boundaries end in: the same on every try, and in no text that it is made from."""
    digest = hashlib.blake2b(message.key.encode(), digest_size=15)
    digest.update(message.text.encode())
    digest.update(message.html.encode())
    return digest.hexdigest()


def _written(part: Part, mark: str, depth: int = 0) -> bytes:
    content: Any = part.get_payload()
    if part.is_multipart():
        boundary = f"=_{depth}{mark}"
        line = f"\r\n--{boundary}".encode()
        pieces = (_written(child, mark, depth + 1) for child in content)
        content = b"".join(line + b"\r\n" + piece for piece in pieces) + line + b"--\r\n"
        described = {"content-type": f'{part.get_content_type()}; boundary="{boundary}"'}
        content = content.removeprefix(b"\r\n")
    elif part["Content-Transfer-Encoding"] == "base64":
        content = content.encode().replace(b"\n", b"\r\n")
        described = {}
    else:
        content = part.get_payload(decode=True)
        encoding, content = _encoded(content)
        described = {"content-transfer-encoding": encoding}
    lines = [
        _line(name, described.get(name.lower(), value))
        for name, value in part.raw_items()
        if depth == 0 or name != "MIME-Version"
    ]
    written: bytes = b"".join(lines) + b"\r\n" + content
    return written


def _encoded(text: bytes) -> tuple[str, bytes]:
    """A text's transfer encoding and its lines, each ended by CRLF, none of them 8-bit."""
    text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not text.endswith(b"\n"):
        text += b"\n"
    high = len(text) - len(text.translate(None, _HIGH))
    if 3 * high > len(text):
        encoding, text = "base64", encodebytes(text.replace(b"\n", b"\r\n"))
    elif high or text.translate(None, _PLAIN) or _LONG_LINE.search(text):
        encoding, text = "quoted-printable", b2a_qp(text, istext=True)
    else:
        encoding = "7bit"
    return encoding, text.replace(b"\n", b"\r\n")


def _line(name: str, value: str) -> bytes:
    if _BREAK.search(value):
        raise BadLetter(f"the header {name} has a line break")
    value = value.replace("\n", "")
    line = f"{name}: {value}"
    if len(line) > _FOLD:
        line = _folded(name, value)
    return f"{line}\r\n".encode("ascii", "surrogateescape")


def _folded(name: str, value: str) -> str:
    """Broken before words so that lines are short; never before the first, which some misread."""
    lines, line = [], f"{name}:"
    for place, word in enumerate(value.split(" ")):
        if place and word and line.strip() and len(line) + len(word) >= _FOLD:
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line])
