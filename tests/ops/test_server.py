"""The HTTP of the operations port, and those who mean it harm."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from hiram.ops import serve
from tests.embedded.waiting import until
from tests.ops.conftest import Port, serving


def talk(port: Port, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port.number), timeout=10) as sock:
        sock.sendall(sent)
        got = b""
        while data := sock.recv(65_536):
            got += data
        return got


def test_an_unknown_path(port: Port) -> None:
    said = port.ask("/nope")
    assert (said.status, said.json) == (404, {"paths": ["/healthz", "/readyz", "/metrics"]})


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/nope"])
def test_head_is_get_without_its_body(port: Port, path: str) -> None:
    get, head = port.ask(path), port.ask(path, "HEAD")
    assert head.status == get.status
    assert head.body == b""
    assert head.headers.keys() == get.headers.keys()
    assert int(get.headers["Content-Length"]) == len(get.body)


def test_a_query_is_no_part_of_the_path(port: Port) -> None:
    assert port.ask("/healthz?verbose=1").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_other_methods(port: Port, method: str) -> None:
    said = port.ask("/readyz", method)
    assert said.status == 405
    assert said.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 ClientHello\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET <script>alert(1)</script>\r\n\r\n x\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_not_repeated(port: Port, sent: bytes) -> None:
    got = talk(port, sent)
    assert b"<script>" not in got
    assert b"<html" not in got
    assert got == b"" or b'{"error": ' in got or b'{"paths": ' in got
    assert port.ask("/healthz").status == 200


def test_slow_clients_are_ended_and_in_nobodys_way(database: None) -> None:
    with serving(request_seconds=1.0) as port:
        before = threading.active_count()
        slow = [socket.create_connection(("127.0.0.1", port.number)) for _ in range(200)]
        ended = [0.0] * len(slow)
        began = time.monotonic()
        for sock in slow:
            sock.settimeout(0.01)

        def drip() -> bool:
            for number, sock in enumerate(slow):
                if not ended[number]:
                    try:
                        sock.sendall(b"G")
                        gone = not sock.recv(100)
                    except TimeoutError:
                        gone = False
                    except OSError:
                        gone = True
                    ended[number] = time.monotonic() - began if gone else 0.0
            return all(ended)

        drip()
        answers = [port.ask("/healthz") for _ in range(20)]
        assert {a.status for a in answers} == {200}
        assert max(a.seconds for a in answers) < 1
        until(drip, 20)
        assert max(ended) < 15
        until(lambda: threading.active_count() <= before)
        for sock in slow:
            sock.close()


def test_a_reader_that_does_not_read_is_ended(database: None) -> None:
    with serving(request_seconds=0.5) as port:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            sock.connect(("127.0.0.1", port.number))
            sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            until(lambda: not port.busy())
        assert port.ask("/healthz").status == 200


def test_a_port_in_use_is_said(port: Port) -> None:
    with pytest.raises(OSError, match="in use"):
        serve(port.number, "127.0.0.1", threading.Event())
