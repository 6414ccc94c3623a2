"""Reading mail never fails, whatever it says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.simulator.content import message_id, read, subject


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (b"Subject: plain", "plain"),
        (b"SUBJECT:no space", "no space"),
        (b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?b?IPCfmIA=?=", "Grüße 😀"),
        (b"Subject: folded\r\n over two\r\n\tlines", "folded over two\tlines"),
        (b"Subject: Gr\xc3\xbc\xc3\x9fe", "Grüße"),
        (b"Subject: \xff\xfe", "\ufffd\ufffd"),
        (b"Subject: =?nonsense?q?a=ff?=", "a\ufffd"),
        (b"Subject:", ""),
        (b"X-Subject: other", ""),
        (b"From: a@shop.test\r\n\r\nSubject: in the body", ""),
    ],
)
def test_subjects(header, shown):
    raw = header + b"\r\n\r\nbody\r\n"
    assert subject("smtp", raw) == shown
    assert read("smtp", raw).subject == shown


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"Message-ID: <k1@shop.test>\r\n\r\n", "k1@shop.test"),
        (b"message-id:<k1@shop.test>\r\n\r\n", "k1@shop.test"),
        (b"From: a\r\nMessage-ID:\r\n <k1@shop.test>\r\n\r\n", "k1@shop.test"),
        (b"Message-ID: k1@shop.test\r\n\r\n", ""),
        (b"\r\nMessage-ID: <k1@shop.test>\r\n", ""),
        (b"From: a\r\n\r\nMessage-ID: <k1@shop.test>\r\n", ""),
    ],
)
def test_message_ids(raw, shown):
    assert message_id(raw) == shown


def test_an_unknown_charset_and_broken_base64_are_read_as_well_as_can_be():
    raw = (
        b"Content-Type: text/plain; charset=nonsense\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        b"R3LDvMOfZQ\r\n"
    )
    assert read("smtp", raw).text == "Grüße"


def test_an_attached_message_is_one_file():
    raw = (
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nouter\r\n"
        b"--b\r\nContent-Type: message/rfc822\r\n\r\n"
        b"Subject: inner\r\n\r\nInner text\r\n--b--\r\n"
    )
    content = read("smtp", raw)
    assert content.text == "outer"
    (attachment,) = content.attachments
    assert attachment.content_type == "message/rfc822"
    assert b"Inner text" in attachment.content


@given(raw=st.binary(max_size=400))
def test_any_bytes_are_read(raw):
    content = read("smtp", raw)
    assert isinstance(content.text, str)
    assert isinstance(subject("smtp", raw), str)
    for _, value in content.headers:
        value.encode()


@given(
    boundary=st.sampled_from([b"b", b""]),
    parts=st.lists(
        st.tuples(
            st.sampled_from(
                [b"text/plain", b"text/html", b"message/rfc822", b"multipart/mixed", b";;", b""]
            ),
            st.sampled_from([b"base64", b"quoted-printable", b"x-uuencode", b"8bit", b""]),
            st.binary(max_size=60),
        ),
        max_size=4,
    ),
)
def test_any_structure_is_read(boundary, parts):
    raw = b'Content-Type: multipart/mixed; boundary="%b"\r\n\r\n' % boundary
    for kind, coding, body in parts:
        raw += b"--%b\r\nContent-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n" % (
            boundary,
            kind,
            coding,
            body,
        )
    content = read("smtp", raw + b"--%b--\r\n" % boundary)
    assert all(isinstance(found.content, bytes) for found in content.attachments)
