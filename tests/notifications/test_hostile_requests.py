"""Requests that nobody sends by accident: bodies, headers, methods, paths, parameters."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client, RequestFactory

from notifications.api import verdicts
from notifications.api.endpoints import NotificationsEndpoint
from notifications.models import Notification
from tests.factories import email
from tests.notifications.calls import BATCH, PATH, Api, Said

KNOWN = f"{PATH}/ntf_00000000000000000000000000"
MIB = 1024 * 1024

pytestmark = pytest.mark.django_db


def padded(octets: int, **fields: Any) -> bytes:
    """An e-mail's body in exactly so many octets."""
    raw = json.dumps(email(**fields)).encode()
    return raw[:-1] + b" " * (octets - len(raw)) + b"}"


class TestSizes:
    def test_one_mib_is_taken(self, live: Api) -> None:
        assert live.post(padded(MIB)).status == 202

    def test_more_is_not_without_attachments(self, live: Api) -> None:
        said = live.post(padded(MIB + 1))
        assert (said.status, said.code) == (413, "too-large")
        assert (
            said.body["detail"] == "Without attachments the body may have at most 1048576 octets."
        )
        assert not Notification.objects.exists()

    @pytest.mark.parametrize("attachments", [[], None, 0, ""])
    def test_an_empty_list_of_attachments_allows_no_more(
        self, live: Api, attachments: Any
    ) -> None:
        assert live.post(padded(MIB + 1, attachments=attachments)).code == "too-large"

    def test_a_list_or_a_wrong_body_allows_no_more(self, live: Api) -> None:
        assert live.post(b"[" + b" " * MIB + b"]").code == "too-large"
        assert live.post(padded(MIB + 1, body="x" * 300_000)).code == "too-large"

    def test_attachments_allow_sixteen(self, live: Api) -> None:
        files = [{"filename": "a", "content": "QUFB" * 3_495_253}]  # 10 MiB - 1 when decoded
        said = live.post(padded(16 * MIB, attachments=files))
        assert said.status == 202
        said = live.post(padded(16 * MIB + 1, attachments=files))
        assert (said.code, said.body["detail"]) == (
            "too-large", "The body may have at most 16777216 octets.",
        )  # fmt: skip

    def test_attachments_that_are_off_allow_nothing(self, live: Api, monkeypatch: Any) -> None:
        monkeypatch.setattr(settings, "ATTACHMENTS", False)
        files = [{"filename": "a", "content": "QUFB"}]
        assert live.post(padded(MIB + 1, attachments=files)).code == "too-large"
        said = live.post(email(attachments=files))
        assert (said.status, said.errors) == (422, [("/attachments", "disabled")])
        assert live.batch(email(attachments=files)).errors == [
            ("/notifications/0/attachments", "disabled")
        ]
        assert live.post(email(attachments=[])).status == 202

    def test_a_batch_may_have_sixteen(self, live: Api) -> None:
        raw = json.dumps({"notifications": [email()]}).encode()
        assert live.post(raw + b" " * (16 * MIB - len(raw)), BATCH).status == 202
        assert live.post(raw + b" " * (16 * MIB - len(raw) + 1), BATCH).code == "too-large"

    def test_a_body_without_a_length_is_none(self, live: Api) -> None:
        for length in ("", "abc", "-1", "\u0663", "9" * 5_000):
            request = RequestFactory().post(
                PATH, email(), "application/json", headers={"X-Api-Key": live.key}
            )
            request.META["CONTENT_LENGTH"] = length
            fresh = WSGIRequest(request.META)
            assert NotificationsEndpoint.as_view()(fresh).status_code == 400


BODIES = [
    b"", b" ", b"{", b"nul", b"{'a': 1}", b'{"a": 1,}', b"{} {}", b'{"a": NaN}', b'{"a": -Infinity}',
    b'{"a": 1e999}', b'{"a": ' + b"9" * 100_000 + b"}", b"\xef\xbb\xbf{}", b"\xff", b'"\xe9"',
    "{}".encode("utf-16"), "{}".encode("utf-32"), b"[" * 100_000, b'{"a":' * 100_000,
    b"[" * 21 + b"]" * 21, b'{"a": "\\u0000"}', b'{"a": "\x00"}', b'{"\\u0000": 1}',
    b'{"a": "\\ud800"}', b'{"a": "\\udc00\\ud800"}', b'{"\\udfff": 1}', b'{"a": 1, "a": 2}',
    b'{"a": 1, "\\u0061": 1}', b'{"b": {"a": 1, "a": 1}}', b'{"a": "\n"}', b"<a/>",
    b"channel=email&recipient=a@b.org", b'{"a": 9223372036854775808}',
]  # fmt: skip


@pytest.mark.parametrize("path", [PATH, BATCH])
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_what_is_not_strictly_json_is_refused(live: Api, body: bytes, path: str) -> None:
    said = live.post(body, path)
    assert (said.status, said.code) == (400, "malformed")
    assert not said.body["detail"][0].islower()
    assert said.body["detail"].endswith(".")
    assert len(said.body["detail"]) < 200


def test_half_a_million_lists_are_refused_in_time(live: Api) -> None:
    body = b'{"notifications":[' + b"[]," * 1_500_000 + b"[]]}"
    assert live.post(body, BATCH).code == "malformed"


@pytest.mark.parametrize("kind", [
    "application/json", "APPLICATION/JSON", "application/json; charset=utf-8",
    'application/json;charset="UTF-8"', "application/json ; charset=utf8", "application/json;",
])  # fmt: skip
def test_json_in_utf8_is_taken_however_it_is_named(live: Api, kind: str) -> None:
    assert live.ask("POST", PATH, email(), content_type=kind).status == 202


@pytest.mark.parametrize("kind", [
    "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
    "application/json; charset=latin-1", "application/json; charset=nope", "application/jsonp",
    "application/json; charset=utf-16", "text/json", "application/xml", "application/json, text/plain",
    "application/merge-patch+json", "application/json; charset=", "x" * 10_000,
    "application/json; charset=utf-8; charset=latin-1", "application/json" + " " * 50_000 + "x",
    "application/json;" + " " * 50_000 + "x", "application/json; charset" + " " * 50_000 + "=x",
])  # fmt: skip
def test_other_media_are_refused(live: Api, kind: str) -> None:
    said = live.ask("POST", PATH, email(), content_type=kind)
    assert (said.status, said.code) == (415, "unsupported-media-type")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip", "GZIP", "x"])
def test_no_coding_of_the_body_is_undone(live: Api, coding: str) -> None:
    said = live.post(email(), Content_Encoding=coding)
    assert (said.status, said.code) == (415, "unsupported-media-type")
    assert said.headers["Accept-Encoding"] == "identity"


def test_the_coding_identity_is_none(live: Api) -> None:
    assert live.post(email(), Content_Encoding="identity").status == 202


class TestMethods:
    @pytest.mark.parametrize(("path", "allowed"), [
        (PATH, "GET, POST, HEAD, OPTIONS"), (BATCH, "POST, OPTIONS"), (KNOWN, "GET, HEAD, OPTIONS"),
        (f"{KNOWN}/attempts", "GET, HEAD, OPTIONS"),
    ])  # fmt: skip
    @pytest.mark.parametrize(
        "method", ["PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "QUERY", "X" * 99]
    )
    def test_others_are_refused_with_those_that_are_not(
        self, live: Api, path: str, allowed: str, method: str
    ) -> None:
        for caller in (live, Api()):
            said = caller.ask(method, path)
            assert (said.status, said.code) == (405, "method-not-allowed")
            assert sorted(said.headers["Allow"].split(", ")) == sorted(allowed.split(", "))

    @pytest.mark.parametrize("path", [PATH, BATCH, KNOWN])
    def test_options_tells_them_to_everybody(self, path: str) -> None:
        said = Api().ask("OPTIONS", path)
        assert (said.status, said.raw) == (204, b"")
        assert "OPTIONS" in said.headers["Allow"]

    def test_no_private_name_is_a_method(self, live: Api) -> None:
        for method in ("dispatch", "initial", "_ANSWER", "__INIT__", "SETUP", "FIND"):
            assert live.ask(method, PATH).status == 405

    def test_head_is_get_without_a_body(self, live: Api) -> None:
        path = f"{PATH}/{live.post(email()).body['id']}"
        head, get = live.ask("HEAD", path), live.get(path)
        assert (head.status, head.raw) == (200, b"")
        assert head.headers["Content-Type"] == get.headers["Content-Type"]
        assert live.ask("HEAD", KNOWN).status == 404
        assert Api().ask("HEAD", path).status == 401


@pytest.mark.parametrize("path", [
    "/v1/", "/v1/notification", f"{PATH}/", f"{BATCH}/", f"{KNOWN}/", f"{KNOWN}/attempts/",
    f"{KNOWN}/nothing", "/v1//notifications", f"{PATH}//", "/v1/../v1/notifications", "/v1/%00",
    "/v1/%F0%9F%8E%89", "/v1/" + "x" * 5_000, "/v1/notifications%2Fbatch/x", "/v1/notifications;a=1",
])  # fmt: skip
def test_an_unknown_address_is_a_problem_too(live: Api, path: str) -> None:
    for said in (live.get(path), live.post(email(), path), Api().get(path)):
        assert (said.status, said.code) == (404, "not-found")
        assert said.headers["X-Request-Id"] == said.body["trace_request_id"]


@pytest.mark.parametrize("shown", [
    "x", "ntf_", "ntf_" + "0" * 25, "ntf_" + "0" * 27, "ntf_" + "Z" * 26, "ntf_" + "0" * 25 + "U",
    "ntf_" + "0" * 25 + "é", "att_" + "0" * 26, "NTF_" + "0" * 26, "0" * 32,
    "00000000-0000-0000-0000-000000000000", "ntf_" + "0" * 25 + "%00", "' OR 1=1 --", "..",
    "ntf_" + "0" * 25 + "%0A", "x" * 5_000,
])  # fmt: skip
def test_a_malformed_id_is_an_unknown_one(live: Api, shown: str) -> None:
    unknown = live.get(KNOWN)
    assert (unknown.status, unknown.code) == (404, "not-found")
    for path in (f"{PATH}/{shown}", f"{PATH}/{shown}/attempts"):
        said = live.get(path)
        assert (said.status, said.unnamed) == (404, unknown.unnamed)


class TestParameters:
    @pytest.mark.parametrize(("path", "method"), [
        (PATH, "POST"), (BATCH, "POST"), (PATH, "GET"), (KNOWN, "GET"), (f"{KNOWN}/attempts", "GET"),
    ])  # fmt: skip
    def test_unknown_ones_are_refused(self, live: Api, path: str, method: str) -> None:
        said = live.ask(method, f"{path}?tenant_id=x", email() if method == "POST" else b"")
        assert (said.status, said.code) == (400, "bad-query")
        assert said.errors == [("/tenant_id", "unknown_parameter")]
        assert not Notification.objects.exists()

    @pytest.mark.parametrize(("query", "pointer", "code"), [
        ("limit=0", "/limit", "out_of_range"), ("limit=101", "/limit", "out_of_range"),
        ("limit=-1", "/limit", "out_of_range"), ("limit=1.0", "/limit", "out_of_range"),
        ("limit=", "/limit", "out_of_range"), ("limit=abc", "/limit", "out_of_range"),
        ("limit=99999999999999999999", "/limit", "out_of_range"),
        ("limit=%D9%A1", "/limit", "out_of_range"), ("limit=1&limit=1", "/limit", "repeated"),
        ("cursor=", "/cursor", "invalid"), ("cursor=abc", "/cursor", "invalid"),
        ("cursor=%00", "/cursor", "invalid"), ("cursor=" + "A" * 10_000, "/cursor", "invalid"),
        ("status=", "/status", "not_an_option"), ("status=SENT", "/status", "not_an_option"),
        ("status=sent&status=queued", "/status", "repeated"),
        ("status=sent%00", "/status", "invalid"),
        ("channel=pigeon", "/channel", "not_an_option"),
        ("category=x", "/category", "not_an_option"),
        ("created_after=yesterday", "/created_after", "invalid"),
        ("created_after=2026-01-01", "/created_after", "invalid"),
        ("created_after=2026-01-01T00:00:00", "/created_after", "invalid"),
        ("created_before=2026-02-30T00:00:00Z", "/created_before", "invalid"),
        ("created_before=0001-01-01T00:00:00%2B23:00", "/created_before", "invalid"),
        ("created_before=9999-12-31T23:59:59-23:00", "/created_before", "invalid"),
        ("created_before=2026-01-01T24:00:00Z", "/created_before", "invalid"),
        ("created_before=2026-06-30T23:59:60Z", "/created_before", "invalid"),
        ("metadata.=x", "/metadata.", "unknown_parameter"),
        ("metadata=x", "/metadata", "unknown_parameter"),
        ("metadata.a=1&metadata.a=2", "/metadata.a", "repeated"),
        ("metadata.a=%00", "/metadata.a", "invalid"), ("ordering=lane__id", "/ordering", "unknown_parameter"),
        ("status__in=sent", "/status__in", "unknown_parameter"),
        ("recipient__regex=a", "/recipient__regex", "unknown_parameter"),
    ])  # fmt: skip
    def test_bad_values_are_refused(self, live: Api, query: str, pointer: str, code: str) -> None:
        said = live.get(f"{PATH}?{query}")
        assert (said.status, said.code, said.errors) == (400, "bad-query", [(pointer, code)])
        assert all(text[0].isupper() and text.endswith(".") for text in said.details)

    def test_all_bad_values_are_told(self, live: Api) -> None:
        said = live.get(f"{PATH}?status=x&channel=y&created_after=z")
        assert sorted(said.errors) == [
            ("/channel", "not_an_option"), ("/created_after", "invalid"), ("/status", "not_an_option"),
        ]  # fmt: skip

    def test_too_many_are_refused(self, live: Api) -> None:
        query = "&".join(f"metadata.k{n}=v" for n in range(2_000))
        assert live.get(f"{PATH}?{query}").code == "bad-query"

    @pytest.mark.parametrize("query", [
        "recipient=' OR '1'='1", "metadata.a'%20OR%201=1--=x", "metadata.%25s=%25s",
        "recipient=%25(tenant)s", "metadata.a=\\", "recipient=" + "x" * 9_000, "recipient=%FF%FE",
        "metadata.__class__=x", "recipient=", 'metadata.{"a"=1}',
        "created_after=0001-01-01T00:00:00Z", "created_before=9999-12-31T23:59:59.999999Z",
    ])  # fmt: skip
    def test_odd_values_find_nothing_or_all(self, live: Api, query: str) -> None:
        made = live.post(email()).body["id"]
        assert live.listed(query) == ([made] if query.startswith("created_") else [])


class TestKeys:
    @pytest.mark.parametrize("text", ["", "\t", "x" * 256, "é", "a\x01"])
    def test_an_idempotency_key_is_printable_and_short(self, live: Api, text: str) -> None:
        said = live.post(email(), Idempotency_Key=text)
        assert (said.status, said.code) == (400, "bad-header")
        assert said.body["detail"] == (
            "Idempotency-Key must have 1 to 255 printable ASCII characters."
        )
        assert not Notification.objects.exists()

    def test_255_characters_are_taken(self, live: Api) -> None:
        assert live.post(email(), Idempotency_Key="~" * 255).status == 202


def test_a_head_of_many_headers_is_served(live: Api) -> None:
    odd: dict[str, str] = {f"X_Odd_{n}": "v" * 100 for n in range(200)}
    said: Said = live.post(email(), **odd)
    assert said.status == 202


class TestAround:
    """What stands around the endpoints."""

    def test_no_session_no_cookie_no_csrf(self, live: Api) -> None:
        said = live.post(email(), Cookie="hiram=abc; csrftoken=def", Origin="https://evil.example")
        assert said.status == 202
        assert not {"Set-Cookie", "Vary"} & set(said.headers)
        assert said.headers["X-Content-Type-Options"] == "nosniff"

    def test_the_host_that_is_named_does_not_matter(self, live: Api) -> None:
        said = live.get(KNOWN, Host="evil.example")
        assert said.status == 404
        assert b"evil.example" not in said.raw

    def test_pages_still_pass_everything_else(self) -> None:
        page = Client().get("/portal/login/")
        assert "csrftoken" in page.cookies
        assert page.headers["X-Frame-Options"] == "DENY"
        assert Client().get("/portal/login/", headers={"host": "evil.example"}).status_code == 400

    def test_a_body_that_breaks_off_is_malformed(self, live: Api) -> None:
        class Broken(io.RawIOBase):
            def read(self, size: int = -1) -> bytes:
                raise OSError("connection reset")

        request = RequestFactory().post(
            PATH, b"{}", "application/json", headers={"X-Api-Key": live.key}
        )
        request.environ["wsgi.input"] = Broken()
        fresh = WSGIRequest(request.environ)
        answer = NotificationsEndpoint.as_view()(fresh)
        said = json.loads(answer.content)
        assert (answer.status_code, said["code"]) == (400, "malformed")
        assert said["detail"] == "The body ended before its announced length."

    def test_what_nobody_foresaw_is_told_without_a_word_of_it(
        self, live: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(*_: object) -> None:
            raise ZeroDivisionError("secret words")

        monkeypatch.setattr(verdicts, "checked", broken)
        said = live.post(email())
        assert (said.status, said.code) == (500, "internal")
        assert b"secret" not in said.raw
        assert "ZeroDivisionError" in caplog.text
