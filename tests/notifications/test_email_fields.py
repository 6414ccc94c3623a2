"""What an e-mail may have, and that everything taken can be written as a letter."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from delivery.driver import Attachment, Message
from delivery.smtp_driver.letter import Sender, compose
from hiram.lib.findings import field_errors
from notifications.channels.email import EmailRequest
from tests.factories import email


def findings(**fields: Any) -> list[tuple[str, str]]:
    """Pointers and codes of what is wrong with an e-mail of these fields."""
    try:
        EmailRequest.model_validate(email(**fields))
    except ValidationError as error:
        return [(found.pointer, found.code) for found in field_errors(error)]
    return []


@pytest.mark.parametrize(("given", "kept"), [
    ("ops@tenant.com", "ops@tenant.com"), ("Ops@TENANT.com", "Ops@tenant.com"),
    ("jörg@müller.de", "jörg@müller.de"), ("a@xn--mller-kva.de", "a@müller.de"),
    ("jo\u0308rg@mu\u0308ller.de", "jörg@müller.de"), ("пример@пример.рф", "пример@пример.рф"),
    ("o'hara+news@x.org", "o'hara+news@x.org"), ("-x@y.org", "-x@y.org"), ("a@b", "a@b"),
    ("root@localhost", "root@localhost"), ("a@host.local", "a@host.local"), ("%s@x.org", "%s@x.org"),
    ("`id`|x@x.org", "`id`|x@x.org"), ("a@ex\u0430mple.org", "a@ex\u0430mple.org"),
    ("ü" * 32 + "@x.org", "ü" * 32 + "@x.org"), ("a@x\u3002org", "a@x.org"),
])  # fmt: skip
def test_addresses_are_kept_in_their_normal_form(given: str, kept: str) -> None:
    request = EmailRequest.model_validate(email(recipient=given, cc=[given], reply_to=given))
    assert (request.address, request.cc, request.reply_to) == (kept, [kept], kept)


ADDRESSES = [
    "a", "@", "a@", "@x.org", "a@@x.org", "a@x..org", "a@-x.org", "a@x-.org", "a@x.org.", ".a@x.org",
    "a.@x.org", "a..b@x.org", "a b@x.org", "a@x y.org", " a@x.org", "a@x.org ", "a@x.org\n", "a\r\n@x.org",
    "a@x.org\r\nBcc: z@x.org", "a@x.org, b@x.org", "a@x.org;b@x.org", "a@x.org,", "Ada <a@x.org>",
    "<a@x.org>", "a@x.org>", '"a b"@x.org', '"a\\\r\nb"@x.org', "a(c)@x.org", "a@[127.0.0.1]",
    "a@[IPv6:::1]", "a@127.0.0.1", "a@1.2.3.4", "a@x.123", "a@x_y.org", "a\x00@x.org", "a@x\x00.org",
    "a\u202eb@x.org", "a\u200bb@x.org", "a@x\u200b.org", "a\uff20x.org", "a@xn--a",
    "a@xn--zzzzzz999999.org", "=?utf-8?q?a=40b=3E?=@x.org", "=?x?=@x.org", "a" * 65 + "@x.org", "ü" * 33 + "@x.org",
    "a@" + "b" * 64 + ".org", "a@" + ".".join(["b" * 60] * 5), "a@x.org" * 40, "mailto:a@x.org",
    "a@x.org?subject=x", "a%40x.org",
]  # fmt: skip


@pytest.mark.parametrize("field", ["recipient", "from", "reply_to"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_no_single_plain_address_is_refused(address: str, field: str) -> None:
    assert findings(**{field: address}) == [(f"/{field}", "invalid")]


@pytest.mark.parametrize("field", ["cc", "bcc"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_nor_is_it_a_copys(address: str, field: str) -> None:
    assert findings(**{field: ["ok@x.org", address]}) == [(f"/{field}/1", "invalid")]


LINES = [
    "a\nb", "a\rb", "a\r\nBcc: z@x.org", "a\x00b", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b", "a\u2029b",
    "\n", "a\n", "=?UTF-8?Q?=0A?=", "=?UTF-8?Q?a=0D=0ABcc=3A_z=40x=2Eorg?=", "=?utf-8?b?Cg==?=",
    "=?utf-8?B?YQ0KQmNjOiB6QHgub3Jn?=", "x =?iso-8859-1?q?=0A?= y", "=?UTF-8?Q?=00?=",
    "=?utf-8*en?Q?=0A?=", "=?nonsense?Q?=0A?=", "=?utf-7?Q?+AAo-?=", "=?utf-16?B?AAo=?=",
    "=?cp037?Q?=25?=", "=?utf-8?Q?=C2=85?=", "=?utf-8?Q?=E2=80=A8?=", "=?utf-8?Q?ok?= =?utf-8?Q?=0A?=",
    "=?utf-8?b?A?=",
]  # fmt: skip


@pytest.mark.parametrize("text", LINES)
def test_no_header_value_has_or_hides_a_line_break(text: str) -> None:
    assert findings(subject=text) == [("/subject", "invalid")]
    assert findings(headers={"X-A": text}) == [("/headers/X-A", "invalid")]


@pytest.mark.parametrize("text", [
    "=?", "a =? b ?= c", "=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "=?utf-8?B?R3LDvMOfZQ==?=", "100 % =sure?=",
    "日本語", "tab is not", "=?zlib?Q?abc?=", "=?rot13?Q?abc?=",
])  # fmt: skip
def test_harmless_encoded_words_are_kept(text: str) -> None:
    request = EmailRequest.model_validate(email(subject=text, headers={"X-A": text}))
    assert (request.subject, request.headers["X-A"]) == (text, text)


@pytest.mark.parametrize("name", [
    "X-Order", "x-order-id", "List-Unsubscribe", "LIST-UNSUBSCRIBE-POST", "References", "In-Reply-To",
    "Precedence", "X-Pmx", "X-Sgx", "Auto-Submitted",
])  # fmt: skip
def test_listed_headers_are_taken(name: str) -> None:
    assert findings(headers={name: "1"}) == []


@pytest.mark.parametrize("name", [
    "From", "to", "CC", "Bcc", "Reply-To", "Sender", "Subject", "Date", "Message-ID", "Received",
    "Return-Path", "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "DKIM-Signature",
    "Resent-To", "X-", "X", "Xorder", "X Order", "X-A:", "X-A\r\nBcc", "X-\u00e4", "X-A\x00", " X-A", "X-A ",
    "X-Hiram-Id", "X-SES-Configuration-Set", "X-Mailgun-Tag", "X-MC-Subaccount", "X-PM-Tag", "X-SMTPAPI",
    "x-smtpapi", "X-MSYS-API", "X-Mailin-Tag", "X-Sib-Sandbox", "X-MJ-TemplateID", "X-Envelope-To",
    "X-Original-To", "X-Received", "X-Amz-Meta", "X-" + "a" * 71, "Authorization", "",
])  # fmt: skip
def test_other_headers_are_not(name: str) -> None:
    ((pointer, code),) = findings(headers={name: "1"})
    assert pointer == f"/headers/{name}".replace("~", "~0")
    assert code in {"invalid", "too_short"}


def test_a_header_is_named_once() -> None:
    assert findings(headers={"X-A": "1", "x-a": "2"}) == [("/headers", "invalid")]
    assert findings(headers={f"X-{n}": "1" for n in range(51)}) == [("/headers", "too_many")]
    assert findings(headers={"X-A": "é" * 500}) == [("/headers/X-A", "too_long")]
    assert findings(headers={"X-A": 1}) == [("/headers/X-A", "type")]


def attachment(**fields: Any) -> dict[str, Any]:
    return {"filename": "a.txt", "content_type": "text/plain", "content": "QQ==", **fields}


@pytest.mark.parametrize(("fields", "where"), [
    ({"filename": "../../etc/passwd"}, "filename"), ({"filename": "a\r\nX: y"}, "filename"),
    ({"filename": "a\\b"}, "filename"), ({"filename": "a/b"}, "filename"), ({"filename": ".."}, "filename"),
    ({"filename": "a\x00.txt"}, "filename"), ({"filename": "txt\u202egpj.exe"}, "filename"),
    ({"filename": " "}, "filename"), ({"filename": "a\u2028b"}, "filename"), ({"filename": ""}, "filename"),
    ({"filename": "x" * 256}, "filename"), ({"filename": None}, "filename"),
    ({"content_type": "text"}, "content_type"), ({"content_type": "text/plain; charset=x"}, "content_type"),
    ({"content_type": "text/plain\r\nX: y"}, "content_type"), ({"content_type": ""}, "content_type"),
    ({"content_type": "multipart/mixed"}, "content_type"), ({"content_type": "Message/RFC822"}, "content_type"),
    ({"content_type": "text/plain\n"}, "content_type"), ({"content_type": "téxt/plain"}, "content_type"),
    ({"content": "QQ"}, "content"), ({"content": "QQ==\n"}, "content"), ({"content": "Q Q="}, "content"),
    ({"content": "===="}, "content"), ({"content": "QQ==QQ=="}, "content"), ({"content": "-_-_"}, "content"),
    ({"content": "é"}, "content"), ({"content": 1}, "content"), ({"content": None}, "content"),
    ({"url": "http://169.254.169.254/"}, "url"), ({"path": "/etc/passwd"}, "path"),
])  # fmt: skip
def test_an_attachment_is_a_plain_file(fields: dict[str, Any], where: str) -> None:
    found = findings(attachments=[attachment(), attachment(**fields)])
    assert [pointer for pointer, _ in found] == [f"/attachments/1/{where}"]


def test_attachments_have_a_limit_together() -> None:
    half = base64.b64encode(b"x" * 5 * 1024 * 1024).decode()
    fits = [attachment(content=half), attachment(content=half)]
    assert findings(attachments=fits) == []
    assert findings(attachments=[*fits, attachment()]) == [("/attachments", "invalid")]
    assert findings(attachments=[attachment()] * 20) == []
    assert findings(attachments=[attachment()] * 21) == [("/attachments", "too_many")]
    whole = base64.b64encode(b"x" * 10 * 1024 * 1024).decode()
    assert findings(attachments=[attachment(content=whole)]) == []
    more = base64.b64encode(b"x" * (10 * 1024 * 1024 + 3)).decode()
    assert findings(attachments=[attachment(content=more)]) == [
        ("/attachments/0/content", "too_long")
    ]


@given(raw=st.binary(max_size=40))
def test_the_size_of_an_attachment_is_exact(raw: bytes) -> None:
    text = base64.b64encode(raw).decode()
    (found,) = EmailRequest.model_validate(
        email(attachments=[attachment(content=text)])
    ).attachments
    assert found.size == len(raw)


# Much that is nearly an address, a line, a header or a file name.
near = st.text(
    st.sampled_from("aZ09@.-_+'=?\"<>()[],;: \t\r\n\0é日\u202e\u200b\u2028%|`!~/\\"), max_size=12
)
addresses = (
    st.emails() | near | st.builds("{}@{}".format, near, st.sampled_from(["x.org", "müller.de"]))
)
lines = st.text(max_size=20) | near | st.sampled_from(LINES)
headers = st.dictionaries(st.sampled_from(["X-A", "X-b", "References"]) | near, lines, max_size=2)
files = st.builds(
    attachment,
    filename=lines,
    content_type=st.sampled_from(["text/plain", "image/png", "message/rfc822", "a/b", "a"]),
    content=st.binary(max_size=9).map(lambda raw: base64.b64encode(raw).decode()),
)


def message(request: EmailRequest) -> Message:
    """The driver's message, by way of the row's JSON."""
    content = json.loads(json.dumps(request.content()))
    files = tuple(
        Attachment(a["filename"], a["content_type"], base64.b64decode(a["content"]))
        for a in content.pop("attachments", ())
    )
    lists: dict[str, Any] = {name: tuple(content.pop(name, ())) for name in ("cc", "bcc")}
    at = datetime(2026, 1, 31, tzinfo=UTC)
    return Message("ntf_1", "email", request.address, at, attachments=files, **lists, **content)


@given(
    fields=st.fixed_dictionaries(
        {"recipient": addresses, "subject": lines},
        optional={
            "cc": st.lists(addresses, max_size=2),
            "reply_to": addresses,
            "from": addresses,
            "html": st.text(max_size=20),
            "headers": headers,
            "attachments": st.lists(files, max_size=2),
        },
    )
)
@settings(max_examples=300, deadline=None)
@example(fields={"recipient": "ü" * 32 + "@x.org"})
@example(fields={"attachments": [attachment(content_type="a/b")]})
def test_whatever_is_taken_can_be_written_as_a_letter(fields: dict[str, Any]) -> None:
    try:
        request = EmailRequest.model_validate(email(**fields))
    except ValidationError:
        return
    letter = compose(message(request), Sender(request.sender or "hello@sender.example"))
    head, _, _ = letter.data.partition(b"\r\n\r\n")
    names = [
        line.partition(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] not in b" \t"
    ]
    assert names.count(b"subject") == names.count(b"to") == names.count(b"from") == 1
    assert b"bcc" not in names
    assert b"\n" not in letter.data.replace(b"\r\n", b"")
    assert b"\r" not in letter.data.replace(b"\r\n", b"")
