"""The shell in front of Django, under granian: what passes through it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.embedded.waiting import until
from tests.ops.shell import THREADS, WAITING
from tests.ops.web import MEBI, Web, fill, granian, problem, receive, refuses, request


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
