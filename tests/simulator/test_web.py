"""HTTP/1.1 on the wire: framing, limits, kept connections, broken requests."""

import json

import pytest
import requests

from delivery.simulator import web
from delivery.simulator.server import Simulator
from tests.simulator.talk import Talk

HOST = b"Host: 127.0.0.1\r\n"
EMAIL = json.dumps(
    {"from": "a@shop.test", "to": "b@shop.test", "subject": "s", "text": "t"}
).encode()
POST = b"POST /resend/emails HTTP/1.1\r\n" + HOST + b"Authorization: Bearer re_1\r\n"


def http_port(sim: Simulator) -> int:
    return int(sim.http_url.rpartition(":")[2])


@pytest.fixture
def talk(sim):
    with Talk(http_port(sim)) as talk:
        yield talk


def test_a_connection_is_kept_and_requests_may_be_pipelined(talk):
    talk.say((b"GET /count HTTP/1.1\r\n" + HOST + b"\r\n") * 3)
    for _ in range(3):
        status, headers, body = talk.response()
        assert (status, body) == (200, b'{"count":0,"arrived":0}')
        assert "connection" not in headers


def test_an_answer_without_content_has_no_length(talk):
    talk.say(b"DELETE /messages HTTP/1.1\r\n" + HOST + b"\r\n")
    lines = []
    while (line := talk.line()) != b"\r\n":
        lines.append(line)
    assert lines[0] == b"HTTP/1.1 204 No Content\r\n"
    assert not any(line.startswith((b"content-length", b"transfer")) for line in lines)
    talk.say(b"GET /count HTTP/1.1\r\n" + HOST + b"\r\n")
    assert talk.response()[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /count HTTP/1.0\r\n" + HOST + b"\r\n",
        b"GET /count HTTP/1.1\r\n" + HOST + b"Connection: Close\r\n\r\n",
    ],
)
def test_a_connection_ends_where_that_is_asked(talk, request_):
    talk.say(request_)
    status, headers, _ = talk.response()
    assert (status, headers["connection"]) == (200, "close")
    assert talk.rest() == b""


def test_a_body_by_length_in_pieces(sim, talk):
    talk.say(POST + b"Content-Length: %d\r\n\r\n" % len(EMAIL))
    for byte in EMAIL:
        talk.say(bytes([byte]))
    assert talk.response()[0] == 200
    assert sim.count() == 1


def test_a_body_in_chunks(sim, talk):
    chunks = b"".join(b"%x;note=1\r\n%b\r\n" % (len(p), p) for p in (EMAIL[:9], EMAIL[9:]))
    talk.say(POST + b"Transfer-Encoding: Chunked\r\n\r\n" + chunks + b"0\r\nTrailer: x\r\n\r\n")
    assert talk.response()[0] == 200
    talk.say(b"GET /count HTTP/1.1\r\n" + HOST + b"\r\n")
    assert talk.response()[2] == b'{"count":1,"arrived":1}'


def test_a_client_that_waits_for_100_continue_gets_it(talk):
    talk.say(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(EMAIL))
    assert talk.line() == b"HTTP/1.1 100 Continue\r\n"
    assert talk.line() == b"\r\n"
    talk.say(EMAIL)
    assert talk.response()[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\r\n\r\n",
        b"GET /count\r\n\r\n",
        b"GET  /count HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET http://127.0.0.1/count HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /count HTTP/2.0\r\n" + HOST + b"\r\n",
        b"GET /count HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET /count HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
        b"GET /count HTTP/1.1\r\n" + HOST + b"X: a\r\n folded\r\n\r\n",
        b"GET /count HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
        b"GET /count HTTP/1.1\r\n" + HOST + b"X: a\nY: b\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: +1\r\n\r\nx",
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
    ],
)
def test_a_malformed_request_is_a_400_and_ends_the_connection(sim, talk, request_):
    talk.say(request_)
    status, headers, body = talk.response()
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert json.loads(body)["title"] == "Bad Request"
    assert talk.rest() == b""
    assert sim.count() == 0


def test_a_body_over_the_limit_is_a_413_that_the_client_gets_to_see(sim, monkeypatch):
    monkeypatch.setattr(web, "MAX_BODY", 1_000_000)
    headers = {"Authorization": "Bearer re_1"}
    url = f"{sim.http_url}/resend/emails"
    answer = requests.post(url, data=b"x" * 5_000_000, headers=headers, timeout=10)
    assert answer.status_code == 413
    answer = requests.post(
        url, data=iter([b"x" * 600_000, b"x" * 600_000]), headers=headers, timeout=10
    )
    assert answer.status_code == 413


def test_a_head_over_the_limit_is_a_431(talk):
    talk.say(b"GET /count HTTP/1.1\r\n" + HOST + b"X: " + b"x" * web.MAX_HEAD + b"\r\n\r\n")
    assert talk.response()[0] == 431


def test_a_client_that_goes_silent_is_left(sim, monkeypatch):
    monkeypatch.setattr(web, "IDLE_SECONDS", 0.1)
    with Talk(http_port(sim)) as talk:
        talk.say(POST + b"Content-Length: 100\r\n\r\n{")
        assert talk.rest() == b""


def test_a_client_that_leaves_in_the_middle_disturbs_nobody(sim):
    sim.order(target="resend", kind="slow", seconds=0.05)
    for sent in (b"GET", POST, POST + b"Content-Length: 100\r\n\r\n{"):
        with Talk(http_port(sim)) as talk:
            talk.say(sent)
    with Talk(http_port(sim)) as talk:
        talk.say(POST + b"Content-Length: %d\r\n\r\n" % len(EMAIL) + EMAIL)
        sim.wait_for(1)
    assert requests.get(f"{sim.http_url}/count", timeout=10).json()["count"] == 1
