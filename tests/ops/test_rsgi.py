"""The shell in front of Django, under granian, against honest and hostile clients."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.embedded.waiting import until
from tests.ops.shell import BODY_SECONDS, THREADS, WAITING

MEBI = 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """A parsed answer; the status is 0 where the server hung up without one."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    seconds: float

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Web:
    """A running granian."""

    port: int
    process: subprocess.Popen[bytes]
    gate: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=15)

    def say(self, *sent: bytes) -> Answer:
        """Send these bytes, and read the answer to its end."""
        began = time.monotonic()
        with self.connect() as sock:
            for part in sent:
                sock.sendall(part)
            return receive(sock, began)

    def get(self, path: str = "/") -> Answer:
        return self.say(request("GET", path))


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost:1", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def receive(sock: socket.socket, began: float) -> Answer:
    got = b""
    with contextlib.suppress(ConnectionError):
        while data := sock.recv(MEBI):
            got += data
    took = time.monotonic() - began
    head, _, body = got.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not lines[0]:
        return Answer(0, [], b"", took)
    headers = [(n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines[1:])]
    return Answer(int(lines[0].split()[1]), headers, body, took)


@contextlib.contextmanager
def granian(folder: Path) -> Iterator[Web]:
    """The shell of `tests.ops.shell`, served on a free port until the end of the block."""
    gate = folder / "gate"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--interface", "rsgi", "--http", "1", "--no-ws", "--workers", "1")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", *options, "--host", "127.0.0.1"),
            *("--http1-header-read-timeout", "1000", "--port", str(port), "tests.ops.shell:app"),
        ],
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "hiram.settings", "HIRAM_TEST_GATE": str(gate)},
        cwd=Path(__file__).parents[2],
    )
    found = Web(port, process, gate)

    def answers() -> bool:
        assert process.poll() is None, "granian ended"
        try:
            return found.get().status == 200
        except OSError:
            return False

    try:
        until(answers, 60)
        yield found
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with granian(tmp_path_factory.mktemp("web")) as found:
        yield found


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The answer is this problem, in the API's own form."""
    assert answer.status == status
    assert answer.header("content-type") == "application/problem+json"
    body: dict[str, Any] = answer.json
    assert (body["status"], body["code"]) == (status, code)
    assert answer.header("x-request-id") == body["trace_request_id"]
    return body


def test_the_environ_is_what_pep_3333_asks_for(web: Web) -> None:
    answer = web.say(
        request(
            "GET",
            "/a%2Fb%C3%A9//c?x=%20&y=1",
            "X-Twice: 1",
            "X-Twice: 2",
            "Cookie: a=1",
            "Cookie: b=2",
            "Content-Type: text/x",
            "X_Forwarded_Proto: https",
        )
    )
    environ = answer.json["environ"]
    assert answer.status == 200
    assert {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/bé//c".encode().decode("latin-1"),
        "QUERY_STRING": "x=%20&y=1",
        "CONTENT_LENGTH": "0",
        "CONTENT_TYPE": "text/x",
        "HTTP_X_TWICE": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_HOST": "localhost:1",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(web.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
    }.items() <= environ.items()
    assert "HTTP_X_FORWARDED_PROTO" not in environ
    assert "HTTP_CONTENT_TYPE" not in environ


def test_a_header_may_be_set_twice(web: Web) -> None:
    cookies = [value for name, value in web.get().headers if name == "set-cookie"]
    assert cookies == ["a=1", "b=2"]


def test_the_targets_own_authority_overrides_host(web: Web) -> None:
    answer = web.say(request("GET", "http://other.example/path"))
    assert answer.json["environ"]["HTTP_HOST"] == "other.example"


def test_a_body_of_known_length(web: Web) -> None:
    answer = web.say(request("POST", "/", "Content-Length: 5", body=b"ab"), b"cde")
    assert (answer.json["length"], answer.json["body"]) == (5, "abcde")
    assert answer.json["environ"]["CONTENT_LENGTH"] == "5"


def test_a_body_in_chunks(web: Web) -> None:
    head = request("POST", "/", "Transfer-Encoding: chunked")
    answer = web.say(head, b"2\r\nab\r\n", b"3;x=y\r\ncde\r\n", b"0\r\n\r\n")
    assert (answer.json["length"], answer.json["body"]) == (5, "abcde")
    assert answer.json["environ"]["CONTENT_LENGTH"] == "5"


def test_a_client_may_ask_before_it_sends(web: Web) -> None:
    with web.connect() as sock:
        sock.sendall(request("POST", "/", "Content-Length: 2", "Expect: 100-continue"))
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(b"hi")
        assert receive(sock, 0).json["body"] == "hi"


def test_one_connection_serves_many(web: Web) -> None:
    post = request("POST", "/", "Content-Length: 2", body=b"hi").replace(b"close", b"keep-alive")
    with web.connect() as sock:
        for _ in range(3):
            sock.sendall(post)
            assert sock.recv(MEBI).startswith(b"HTTP/1.1 200 ")


def test_head_has_no_body(web: Web) -> None:
    answer = web.say(request("HEAD", "/"))
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.header("content-length") or 0) > 100


def test_an_answer_in_pieces_is_closed(web: Web) -> None:
    before = web.get().json["closed"]
    answer = web.get("/pieces")
    assert (answer.status, answer.body) == (203, b"in pieces")
    until(lambda: web.get().json["closed"] == before + 1)


def test_an_answer_without_a_body(web: Web) -> None:
    answer = web.get("/empty")
    assert (answer.status, answer.body, answer.header("etag")) == (304, b"", '"x"')


def test_a_defect_is_a_problem(web: Web) -> None:
    body = problem(web.get("/fail"), 500, "internal")
    assert "defect" not in json.dumps(body)
    assert web.get().status == 200


def test_the_callers_request_id_is_kept(web: Web) -> None:
    answer = web.say(request("GET", "/fail", "X-Request-Id: mine"))
    assert problem(answer, 500, "internal")["trace_request_id"] == "mine"


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


def fill(web: Web, pool: ThreadPoolExecutor) -> list[Future[Answer]]:
    """Take every thread and every place to wait; those of 12 that find none are done."""
    asked = [pool.submit(web.get, "/hold") for _ in range(12)]
    until(lambda: sum(a.done() for a in asked) >= 12 - THREADS - WAITING)
    return asked


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
            return len(refused) == 12 - THREADS - WAITING

        until(all_taken)
        for sock in held:
            sock.close()
        web.gate.touch()
        until(lambda: web.get().status == 200)
        web.gate.unlink()
    with ThreadPoolExecutor(4) as pool:
        names = {a.json["thread"] for a in pool.map(lambda _: web.get(), range(40)) if a.body}
    assert names <= {f"web-{number}" for number in range(THREADS)}


def test_a_stop_finishes_what_has_begun(tmp_path: Path) -> None:
    with granian(tmp_path) as own, ThreadPoolExecutor(12) as pool, own.connect() as half:
        asked = fill(own, pool)
        held = [a for a in asked if not a.done()]
        half.sendall(request("POST", "/", "Content-Length: 2", body=b"h"))
        own.process.terminate()
        until(lambda: refuses(own))
        own.gate.touch()
        assert [h.result().status for h in held] == [200] * (THREADS + WAITING)
        half.sendall(b"i")
        assert receive(half, 0).json["body"] == "hi"
        assert own.process.wait(15) == 0


def refuses(web: Web) -> bool:
    """Whether nobody listens any more."""
    try:
        web.connect().close()
    except ConnectionError:
        return True
    return False
