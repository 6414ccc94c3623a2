"""HTTP out: a server cannot take more time or memory than it is given."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network

import pytest
import requests

from hiram.lib import http
from tests.drivers.http_peer import HttpPeer, Said
from tests.drivers.peer import Gone, Peer, Wire, dripping, flood, garbage, silent, wait_for

SHORT, SLACK = 0.5, 1.5
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    before = http.policy()
    http.use(http.Policy(allow=LOOPBACK, plain=True))
    yield
    http.use(before)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with http.session() as session:
        yield session


@pytest.fixture
def peer() -> Iterator[HttpPeer]:
    with HttpPeer() as peer:
        yield peer


def cut(wire: Wire) -> None:
    wire.cut()


def end(wire: Wire) -> None:
    raise Gone


# --- time ---------------------------------------------------------------------------------------


def drip_status(wire: Wire) -> None:
    wire.drip(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000)


def drip_body(wire: Wire) -> None:
    wire.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    wire.drip(b"x" * 100_000)


def continues(wire: Wire) -> None:
    while True:
        wire.say(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


@pytest.mark.parametrize("answer", [silent, dripping, drip_status, drip_body, continues])
@pytest.mark.parametrize("reused", [False, True], ids=["new", "reused"])
def test_the_total_time_holds(
    session: requests.Session, peer: HttpPeer, answer: Said, reused: bool
) -> None:
    if reused:
        session.get(peer.url)
    peer.answers.append(answer)
    started = time.monotonic()
    with http.deadline(SHORT) as limit:
        try:
            response = session.get(peer.url)
        except requests.RequestException:
            assert answer is not drip_body
        else:
            assert response.status_code == 200
    assert limit.expired
    assert SHORT - 0.05 < time.monotonic() - started < SHORT + SLACK
    assert session.get(peer.url).content == b"ok", "and the session is as good as new"


def test_a_dripping_handshake(session: requests.Session) -> None:
    with Peer(lambda wire: wire.drip(b"\x16\x03\x03\x40\x00\x02" + bytes(16_000))) as peer:
        started = time.monotonic()
        with http.deadline(SHORT), pytest.raises(http.NotSent):
            session.get(f"https://127.0.0.1:{peer.port}")
        assert time.monotonic() - started < SHORT + SLACK


def test_an_upload_that_nobody_reads(session: requests.Session) -> None:
    def stall(wire: Wire) -> None:
        wire.stopped.wait(10)

    with Peer(stall) as peer:
        started = time.monotonic()
        with http.deadline(SHORT), pytest.raises(requests.RequestException):
            session.post(f"http://127.0.0.1:{peer.port}", data=bytes(50_000_000))
        assert time.monotonic() - started < SHORT + SLACK


# --- size ---------------------------------------------------------------------------------------


def head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 429 Slow down", *lines, "", ""]).encode()


def stream(start: bytes, piece: bytes) -> Callable[[Wire], None]:
    def say(wire: Wire) -> None:
        wire.say(start)
        while True:
            wire.say(piece)

    return say


@pytest.mark.parametrize(
    ("answer", "size"),
    [
        (stream(head("Connection: close"), b"x" * 65_536), http.MAX_BYTES),
        (stream(head("Content-Length: 10000000000"), b"x" * 65_536), http.MAX_BYTES),
        (stream(head("Transfer-Encoding: chunked"), b"1000\r\n" + b"x" * 4096 + b"\r\n"), http.MAX_BYTES),
        (stream(head("Content-Type: text/plain"), b"x" * 10_000), http.MAX_BYTES),
        (stream(head("X-A: b").removesuffix(b"\r\n"), b"X-A: b\r\n" * 1000), 0),
        (stream(head("X-A: b").removesuffix(b"\r\n\r\n"), b"b" * 65_536), 0),
        (head("Content-Length: 10") + b"cut", None),
        (head("Transfer-Encoding: chunked") + b"5\r\nhello\r\nnonsense\r\n", 5),
        (head("Transfer-Encoding: chunked") + b"5\r\nhel", 3),
        (head("Content-Length: 3") + b"yes", 3),
        (head("Content-Length: -3") + b"yes", 3),
        (head("Content-Length: x") + b"yes", 3),
        (head("Content-Length: 3", "Content-Length: 5") + b"yes", 3),
        (head("Content-Length: 3, 5") + b"yes", 3),
        (b"HTTP/1.1 429 Slow down\r\n", 0),
        (b"HTTP/1.1 429 Slow down\r\nX-A", 0),
    ],
    ids=["close", "length", "chunked", "neither", "headers", "header", "short", "bad chunk", "cut chunk",
         "whole", "negative", "senseless", "two lengths", "two in one", "no headers", "half a header"],
)  # fmt: skip
def test_the_status_survives_what_follows(peer: HttpPeer, answer: Said, size: int | None) -> None:
    """Whether a message was taken hangs on it."""

    def once(wire: Wire) -> None:
        if callable(answer):
            answer(wire)
        else:
            wire.say(answer)
        raise Gone

    peer.usual = once
    with http.session() as session, http.deadline(5) as limit:
        response = session.get(peer.url)
    assert response.status_code == 429
    assert len(response.content) == size if size is not None else response.content in (b"", b"cut")
    assert not limit.expired
    wait_for(lambda: peer.open == 0, "the connection given up")


def test_a_gzip_bomb_is_not_opened(session: requests.Session, peer: HttpPeer) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    lines = (f"Content-Length: {len(bomb)}", "Content-Encoding: gzip")
    peer.answers.append(head(*lines) + bomb)
    response = session.get(peer.url)
    assert response.status_code == 429
    assert response.content == bomb[: http.MAX_BYTES]
    assert peer.asked[0].headers["accept-encoding"] == "identity"


def test_another_limit_of_size(peer: HttpPeer) -> None:
    peer.usual = head("Content-Length: 100") + b"x" * 100
    with http.session(max_bytes=10) as session:
        assert session.get(peer.url).content == b"x" * 10
        assert session.get(peer.url).status_code == 429
        assert peer.connections == 2, "what was not read to the end is not used again"


@pytest.mark.parametrize("answer", [garbage, flood, cut, end])
def test_what_is_not_http(session: requests.Session, peer: HttpPeer, answer: Said) -> None:
    peer.answers.append(answer)
    with http.deadline(5) as limit, pytest.raises(requests.RequestException):
        session.get(peer.url)
    assert not limit.expired
    assert session.get(peer.url).ok
