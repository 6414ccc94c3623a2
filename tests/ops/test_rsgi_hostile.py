"""The shell against those who send too much, too slowly, in halves, or two things at once."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.embedded.waiting import until
from tests.ops.shell import BODY_SECONDS, THREADS, WAITING
from tests.ops.web import MEBI, Web, fill, problem, receive, request


def test_an_announced_body_over_the_limit_is_refused_at_once(web: Web) -> None:
    answer = web.say(request("POST", "/", f"Content-Length: {16 * MEBI + 1}"))
    assert str(16 * MEBI) in problem(answer, 413, "too-large")["detail"]
    assert answer.seconds < BODY_SECONDS


def test_the_largest_body(web: Web) -> None:
    body = b"x" * (16 * MEBI)
    answer = web.say(request("POST", "/", f"Content-Length: {len(body)}"), body)
    assert answer.json["length"] == 16 * MEBI


def test_a_chunked_body_over_the_limit_is_refused_while_it_comes(web: Web) -> None:
    chunk = b"100000\r\n" + b"x" * MEBI + b"\r\n"
    with web.connect() as sock:
        sock.sendall(request("POST", "/", "Transfer-Encoding: chunked"))
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                sock.sendall(chunk)
        answer = receive(sock, time.monotonic())
    # A client that still sends may see a reset before it sees the answer.
    assert answer.status in {0, 413}
    assert web.get().status == 200


def test_only_so_many_large_bodies_come_in_at_once(web: Web) -> None:
    head = request("POST", "/", f"Content-Length: {2 * MEBI}")
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(web.connect()).sendall(head)
        until(lambda: web.say(head).status == 503)
        assert problem(web.say(head), 503, "busy")
        assert web.say(request("POST", "/", "Content-Length: 1", body=b"x")).status == 200
    until(lambda: web.say(head, b"x" * (2 * MEBI)).status == 200)


@pytest.mark.parametrize("length", ["", "-1", "1e3", "5, 6", "0x10", "99999999999999999999999"])
def test_a_length_that_is_none(web: Web, length: str) -> None:
    answer = web.say(request("POST", "/", f"Content-Length: {length}", body=b"hello"))
    assert answer.status in {400, 413}
    assert web.get().status == 200


@pytest.mark.parametrize("coding", ["xchunked", "gzip", "chunked, gzip", "identity"])
def test_another_coding(web: Web, coding: str) -> None:
    answer = web.say(
        request("POST", "/", f"Transfer-Encoding: {coding}", body=b"5\r\nhello\r\n0\r\n\r\n")
    )
    assert answer.status == 400


def test_both_lengths_are_never_two_requests(web: Web) -> None:
    inner = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: l\r\n\r\n"
    sent = request("POST", "/", f"Content-Length: {len(inner)}", "Transfer-Encoding: chunked")
    with web.connect() as sock:
        sock.sendall(sent.replace(b"Connection: close\r\n", b"") + inner)
        sock.settimeout(2)
        got = b""
        with contextlib.suppress(TimeoutError):
            while data := sock.recv(MEBI):
                got += data
    assert b"smuggled" not in got
    assert got.count(b"HTTP/1.1 ") <= 1


@pytest.mark.parametrize("abort", [False, True])
@pytest.mark.parametrize(
    "sent",
    [
        request("POST", "/pieces", "Content-Length: 10", body=b"half"),
        request("POST", "/pieces", "Transfer-Encoding: chunked", body=b"4\r\nhalf\r\n"),
    ],
    ids=["of known length", "in chunks"],
)
def test_half_a_body_is_never_served(web: Web, sent: bytes, abort: bool) -> None:
    before = web.get().json["closed"]
    for _ in range(5):
        with web.connect() as sock:
            sock.sendall(sent)
            if abort:  # a reset instead of an orderly end
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    threading.Event().wait(0.3)
    assert web.get().json["closed"] == before


def test_a_dripped_body_ends_at_its_deadline(web: Web) -> None:
    began = time.monotonic()
    with web.connect() as sock:
        sock.sendall(request("POST", "/", "Content-Length: 1000"))
        sock.settimeout(0.1)
        got = b""
        while not got:
            sock.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                got = sock.recv(MEBI)
            assert time.monotonic() - began < BODY_SECONDS + 5
        assert got.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in got
        assert f"within {BODY_SECONDS:g} seconds".encode() in got
    assert time.monotonic() - began >= BODY_SECONDS


def test_a_silent_body_ends_at_its_deadline(web: Web) -> None:
    for head in ("Content-Length: 1000", "Transfer-Encoding: chunked"):
        answer = web.say(request("POST", "/", head))
        problem(answer, 408, "request-timeout")
        assert BODY_SECONDS <= answer.seconds < BODY_SECONDS + 2


def test_dripped_headers_are_cut(web: Web) -> None:
    began = time.monotonic()
    with web.connect() as sock:
        sock.settimeout(0.1)
        with contextlib.suppress(ConnectionError):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: l\r\nX: ")
            while True:
                sock.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if not sock.recv(100):
                        break
                assert time.monotonic() - began < 10
    assert web.get().status == 200


def test_200_drippers_take_no_thread(web: Web) -> None:
    ended = threading.Event()
    heads = ("Content-Length: 1000", "Transfer-Encoding: chunked")
    slow = [web.connect() for _ in range(200)]
    try:
        for number, sock in enumerate(slow):
            sock.sendall(request("POST", "/", heads[number % 2]))

        def drip() -> None:
            while not ended.wait(0.2):
                for number, sock in enumerate(slow):
                    with contextlib.suppress(OSError):
                        sock.sendall((b"x", b"1\r\nx\r\n")[number % 2])

        dripping = threading.Thread(target=drip)
        dripping.start()
        answers = [web.get() for _ in range(20)]
        answers += [
            web.say(request("POST", "/", "Content-Length: 2", body=b"hi")) for _ in range(20)
        ]
        assert {a.status for a in answers} == {200}
        assert max(a.seconds for a in answers) < 0.5
    finally:
        ended.set()
        dripping.join()
        for sock in slow:
            sock.close()


def test_more_than_can_wait_are_told_to_come_again(web: Web) -> None:
    with ThreadPoolExecutor(12) as pool:
        asked = fill(web, pool)
        refused = [a.result() for a in asked if a.done()]
        try:
            for answer in [*refused, web.get()]:
                problem(answer, 503, "busy")
                assert answer.header("retry-after") == "1"
                assert answer.seconds < 2
        finally:
            web.gate.touch()
        served = [a.result().status for a in asked if a.result() not in refused]
    web.gate.unlink()
    assert served == [200] * (THREADS + WAITING)
    assert web.get().status == 200


def test_clients_that_leave_free_their_places(web: Web) -> None:
    for _ in range(3):
        held = [web.connect() for _ in range(12)]
        for sock in held:
            sock.sendall(request("GET", "/hold"))
        refused: list[socket.socket] = []

        def all_taken(held: list[socket.socket] = held, refused: list[Any] = refused) -> bool:
            refused += select.select(set(held) - set(refused), [], [], 0)[0]
            return len(refused) >= 12 - THREADS - WAITING  # more, while the last round's leave

        until(all_taken)
        for sock in held:
            sock.close()
        web.gate.touch()
        until(lambda: web.get().status == 200)
        web.gate.unlink()
    with ThreadPoolExecutor(THREADS + WAITING) as pool:
        names = set(pool.map(lambda _: _served_by(web), range(40)))
    assert names <= {f"web-{number}" for number in range(THREADS)}


def _served_by(web: Web) -> str:
    """Asked again where it was busy: an answer is there a moment before its place is free."""
    answers: list[Any] = []

    def served() -> bool:
        answers.append(web.get())
        return bool(answers[-1].status == 200)

    until(served)
    return str(answers[-1].json["thread"])
