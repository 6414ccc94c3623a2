"""What mails to return paths report, whatever they are made of."""

from __future__ import annotations

import base64
import quopri
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.driver import Kind
from delivery.inbound.entity import BLOCKS, HEAD_OCTETS, PARTS, Entity
from delivery.inbound.read import Said, read
from tests.delivery.receipts.mails import ADA, HEAD, STATUS, block, bounce, complaint, mail

SECONDS = 3.0
"""The worst 1 MiB may take; the usual report takes a thousandth."""


def said(raw: bytes, *, from_nobody: bool = True) -> list[Said]:
    started = time.monotonic()
    found = read(raw, from_nobody=from_nobody)
    assert time.monotonic() - started < SECONDS
    return found


def one(raw: bytes) -> Said:
    [found] = said(raw)
    return found


class TestStatus:
    def test_of_postfix(self):
        found = one(bounce())
        assert (found.kind, found.names, found.hard) == (Kind.BOUNCED, (ADA,), True)
        assert found.code == "5.1.1"
        assert found.description == f"550 5.1.1 <{ADA}>: Recipient address rejected"
        assert found.at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "when it was written"
        assert found.raw.startswith("Reporting-MTA: dns; mx.recipient.example\n")
        assert "Final-Recipient" in found.raw

    @pytest.mark.parametrize(
        ("action", "kind"),
        [("failed", Kind.BOUNCED), ("delayed", Kind.DEFERRED), ("delivered", Kind.DELIVERED),
         ("relayed", Kind.ACCEPTED), ("expanded", Kind.ACCEPTED), ("FAILED", Kind.BOUNCED),
         ("failed (bad destination mailbox)", Kind.BOUNCED)],
    )  # fmt: skip
    def test_actions(self, action, kind):
        found = one(bounce(block(action=action)))
        assert (found.kind, found.hard) == (kind, kind is Kind.BOUNCED)

    @pytest.mark.parametrize("action", ["", "failing", "bounced", "x", "\0failed", "1"])
    def test_no_action(self, action):
        assert said(bounce(block(action=action))) == []

    @pytest.mark.parametrize(
        ("status", "diagnostic", "hard", "code"),
        [
            ("5.1.1", "", True, "5.1.1"),
            ("5.1.2", "", True, "5.1.2"),
            ("5.1.10", "", True, "5.1.10"),
            ("5.2.1", "smtp; 550 5.2.1 disabled", True, "5.2.1"),
            ("5.4.4", "X-Postfix; Host or domain name not found", True, "5.4.4"),
            ("5.0.0", "", True, "5.0.0"),
            ("5.0.0", "smtp; 550 5.1.1 unknown", True, "5.1.1"),
            ("5.0.0", "smtp;550-5.7.1 looks like spam", False, "5.7.1"),
            ("5.0.0", "smtp; 550 no such user", True, "5.0.0"),
            ("5.0.0", "smtp; 554 no", False, "5.0.0"),
            ("", "smtp; 550 5.1.1 unknown", True, "5.1.1"),
            ("", "smtp; 550 unknown", True, "550"),
            ("", "smtp; 450 unknown", False, "450"),
            ("", "", False, ""),
            ("nonsense", "", False, ""),
            ("5.1.1.1", "", False, ""),
            ("5.2.2", "smtp; 552 5.2.2 over quota", False, "5.2.2"),
            ("5.3.4", "smtp; 552 5.3.4 too big", False, "5.3.4"),
            ("5.7.1", "smtp; 550 5.7.1 blocked", False, "5.7.1"),
            ("5.1.1", "smtp; 550 5.1.1 relay access denied", False, "5.1.1"),
            ("4.4.7", "smtp; 550 5.1.1 unknown", False, "4.4.7"),
            ("4.4.1", "x-postfix; connection timed out", False, "4.4.1"),
            ("2.0.0", "", False, "2.0.0"),
        ],
    )
    def test_only_an_address_that_is_no_good_is_a_hard_bounce(
        self, status, diagnostic, hard, code
    ):
        found = one(bounce(block(status=status, Diagnostic_Code=diagnostic)))
        assert (found.hard, found.code) == (hard, code)

    def test_what_is_late_is_never_hard(self):
        assert not one(bounce(block(action="delayed", status="5.1.1"))).hard

    def test_of_several(self):
        others = [block(to=f"{n}@recipient.example", action="delayed") for n in range(200)]
        found = said(bounce(*others))
        assert [s.names for s in found[:2]] == [
            ("0@recipient.example",), ("1@recipient.example",)
        ]  # fmt: skip
        assert len(found) == BLOCKS - 1

    def test_whom_we_asked_for_is_named_before_whom_it_came_to(self):
        found = one(bounce(block(to="x@else.example", Original_Recipient=f"rfc822;{ADA}")))
        assert found.names == (ADA, "x@else.example")

    @pytest.mark.parametrize(
        ("field", "name"),
        [
            (f"RFC822;{ADA}", ADA),
            (f"rfc822;<{ADA}>", ADA),
            (f"  {ADA} ", ADA),
            ("utf-8; jos\\x{E9}@recipient.example", "josé@recipient.example"),
            ("utf-8; josé@recipient.example", "josé@recipient.example"),
            ("utf-8; \\x{D800}\\x{110000}@x", "\\x{D800}\\x{110000}@x"),
            ("x-odd-charset; =?iso-2022-jp?b?GyRC?=", "=?iso-2022-jp?b?GyRC?="),
            ("rfc822; a\n b@recipient.example", "a b@recipient.example"),
        ],
    )
    def test_spellings_of_a_recipient(self, field, name):
        raw = bounce(block(Final_Recipient=field))
        assert one(raw).names == (name,)

    def test_in_another_charset_than_it_says(self):
        raw = bounce().replace(b"rfc822; ada@", b"rfc822; \xff\xfe\x80ada@")
        assert one(raw).names == ("\ufffd\ufffd\ufffdada@recipient.example",)

    @pytest.mark.parametrize("field", ["", "rfc822;", "rfc822; <>", ";", "rfc822; \t"])
    def test_of_nobody(self, field):
        assert said(bounce(block(Final_Recipient=field))) == []

    @pytest.mark.parametrize("kind", [STATUS, "Message/Delivery-Status; x=y",
                                      "message/global-delivery-status"])  # fmt: skip
    def test_kinds(self, kind):
        assert one(bounce(kind=kind)).kind is Kind.BOUNCED

    def test_encoded(self):
        body = HEAD + "\n" + block()
        for name, made in (
            ("base64", base64.encodebytes(body.encode())),
            ("quoted-printable", quopri.encodestring(body.encode())),
        ):
            kind = f"{STATUS}\nContent-Transfer-Encoding: {name.upper()}"
            assert one(mail(made.decode(), kind=kind)).names == (ADA,)
        assert said(mail("!", kind=f"{STATUS}\nContent-Transfer-Encoding: base64")) == []

    def test_when_it_was_last_tried(self):
        late = block(Last_Attempt_Date="Thu, 1 Jan 2026 23:00:00 -0300")
        assert one(bounce(late)).at == datetime(2026, 1, 2, 2, tzinfo=UTC)

    @pytest.mark.parametrize(
        "date",
        ["never", "1", "Fri, 32 Jan 2026 99:99:99 +0000", "\0",
         "Fri, 2 Jan 999999999999999999 03:04:05 +0000",
         "Fri, 2 Jan 2026 03:04:05 +999999999999999999999"],
    )  # fmt: skip
    def test_no_date(self, date):
        raw = bounce(block(Last_Attempt_Date=date))
        assert one(raw).at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        raw = raw.replace(b"Date: Fri, 2 Jan 2026 03:04:05 +0000 (UTC)", f"Date: {date}".encode())
        assert one(raw).at is None

    @pytest.mark.parametrize("end", [b"\n", b"\r"], ids=["LF", "CR"])
    def test_with_other_line_ends(self, end):
        assert one(bounce().replace(b"\r\n", end)).names == (ADA,)

    def test_it_must_be_from_nobody(self):
        assert said(bounce(), from_nobody=False) == []


class TestComplaint:
    @pytest.mark.parametrize("from_nobody", [True, False])
    @pytest.mark.parametrize("kind", ["abuse", "Fraud"])
    def test_of_abuse(self, kind, from_nobody):
        [found] = said(complaint(kind), from_nobody=from_nobody)
        assert (found.kind, found.names, found.hard) == (Kind.COMPLAINED, (), False)
        assert found.code == kind.lower()

    def test_of_a_recipient(self):
        assert one(complaint("abuse", f"Original-Rcpt-To: <{ADA}>")).names == (ADA,)

    @pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "virus", "other", ""])
    def test_of_something_else(self, kind):
        assert said(complaint(kind)) == []


class TestNothing:
    @pytest.mark.parametrize(
        "raw",
        [
            b"", b"\r\n", b"\0", b"Subject: I am away\r\nAuto-Submitted: auto-replied\r\n\r\nBye\r\n",
            b"Content-Type: multipart/report\r\n\r\n",
            b"Content-Type: multipart/report; boundary=\r\n\r\n--\r\n",
            b"Content-Type: text/plain\r\n\r\n" + block().encode(),
            mail(HEAD + "\n" + block(), kind="text/plain"),
            mail("Disposition: automatic-action/MDN-sent-automatically; displayed\n",
                 kind="message/disposition-notification", report="disposition-notification"),
            bounce().replace(b"multipart/report", b"multipart/mixed"),
        ],
    )  # fmt: skip
    def test_no_report(self, raw):
        assert said(raw) == []

    def test_inside_of_another_part_it_is_somebody_elses(self):
        inner = bounce().decode().replace("\r\n", "\n").replace("9B0A4C0", "inner")
        assert said(mail(inner, kind="message/rfc822")) == []


class TestHostile:
    def test_a_thousand_nested_parts(self):
        deep = "".join(
            f"--{n}\nContent-Type: multipart/report; boundary={n + 1}\n\n" for n in range(1_000)
        )
        raw = b"Content-Type: multipart/report; boundary=0\n\n" + deep.encode()
        assert said(raw) == []
        [part] = Entity.of(raw).parts()
        assert part.fields.kind() == "multipart/report"
        assert said(raw + b"--1000\nContent-Type: message/delivery-status\n\n") == []

    def test_a_hundred_thousand_parts(self):
        raw = b"Content-Type: multipart/report; boundary=b\n\n" + b"--b\n\n" * 100_000
        assert said(raw) == []
        assert len(Entity.of(raw).parts()) == PARTS

    def test_parts_before_the_report(self):
        start = b"--9B0A4C0.1767323045/mx.recipient.example\r\n"
        assert len(said(bounce().replace(start, start * (PARTS - 2), 1))) == 1
        assert said(bounce().replace(start, start * PARTS, 1)) == []

    @pytest.mark.parametrize(
        "head",
        [
            b"X: " + b"x" * 2**20,
            b"X: y\n" * 200_000,
            b"X: y\n" + b" z\n" * 300_000,
            b'Content-Type: multipart/report; boundary="' + b";" * 2**20,
            b"Content-Type: multipart/report" + b"; boundary*0*=a" * 60_000,
            b"Content-Type: " + b"a/" * 2**19,
            b"(" * 2**20,
            b"\n" * 2**20,
            b"\r" * 2**20,
            b"From " * 200_000,
        ],
        ids=range(10),
    )
    def test_huge_headers(self, head):
        assert said(head + b"\n\n" + bounce()) == []
        assert said(head[: HEAD_OCTETS - 1] + b"\n\n" + bounce()) == []

    @pytest.mark.parametrize(
        "text",
        [b"\n" * 2**20, b"\n \t" * 300_000, b"a:b\n\n" * 200_000, b"\0" * 2**20, b"=" * 2**20,
         b"Action: failed" + b"\n " * 500_000, b"Date: " + b"(" * 2**20, b"a" * 2**20],
        ids=range(8),
    )  # fmt: skip
    @pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
    def test_huge_bodies(self, text, encoding):
        top, _, rest = bounce().partition(b"Reporting-MTA")
        kind = f"{STATUS}\r\nContent-Transfer-Encoding: {encoding}".encode()
        raw = top.replace(STATUS.encode(), kind) + text + b"\r\n\r\nReporting-MTA" + rest
        assert len(said(raw)) <= 1

    def test_a_report_under_too_many_headers_is_none(self):
        filling = b"X: y\r\n" * (HEAD_OCTETS // 5)
        assert len(said(b"X: y\r\n" * 1_000 + bounce())) == 1
        assert said(filling + bounce()) == []

    def test_long_dates_and_names(self):
        for text in ("(" * 60_000, "a " * 30_000, "\\x{41}" * 10_000, "@" * 60_000, ":" * 60_000):
            raw = bounce(block(Last_Attempt_Date=text, Final_Recipient=text, Status=text))
            assert all(len(name) <= 512 for found in said(raw) for name in found.names)

    @pytest.mark.parametrize(
        "value",
        [
            "multipart/report; boundary*=x%00y'en'a; report-type=x",
            "multipart/report; boundary*=\"a\0b'en'abc\"",
            "multipart/report; boundary*0*=hex''61; boundary*1*=%62",
            "multipart/report; boundary*" + "9" * 500 + "*=x",
            "multipart/report; boundary=\"" + "\\" * 500,
            "multipart/report; boundary=\"\x80\udc80\"",
            "multipart/report; =; ==; boundary",
            "/", ";", "multipart/", "multipart/report/x; boundary=b",
        ],
        ids=range(11),
    )  # fmt: skip
    def test_types_that_the_standard_library_trips_over(self, value):
        raw = f"Content-Type: {value}\r\n\r\n--b\r\n\r\n".encode("utf-8", "surrogatepass")
        assert said(raw) == []

    @given(raw=st.binary(max_size=300), place=st.integers(0, 3_000), gone=st.integers(0, 300))
    def test_anything_may_be_changed(self, raw: bytes, place: int, gone: int) -> None:
        for whole in (bounce(), complaint()):
            changed = whole[:place] + raw + whole[place + gone :]
            for found in read(changed, from_nobody=True):
                assert found.kind in Kind

    @given(text=st.text("*'\";=0123456789%\\ ,()\n\0ab\udc80", max_size=200))
    def test_any_parameters(self, text: str) -> None:
        for kind in ("multipart/report", "multipart/report; boundary"):
            raw = f"Content-Type: {kind}{text}\r\n".encode("utf-8", "surrogatepass")
            read(raw + bounce(), from_nobody=True)

    @given(text=st.text(max_size=200), name=st.sampled_from(
        ["Content-Type", "Date", "Content-Transfer-Encoding"]))  # fmt: skip
    def test_any_header(self, text: str, name: str) -> None:
        raw = f"{name}: {text}\r\n".encode("utf-8", "surrogatepass") + bounce()
        read(raw, from_nobody=True)

    @given(text=st.text(max_size=200), name=st.sampled_from(
        ["Action", "Status", "Diagnostic-Code", "Final-Recipient", "Last-Attempt-Date"]))  # fmt: skip
    def test_any_field(self, text: str, name: str) -> None:
        raw = mail(HEAD, kind=STATUS).replace(
            b"Arrival-Date", block(**{name.replace("-", "_"): text}).encode() + b"X", 1
        )
        read(raw, from_nobody=True)
