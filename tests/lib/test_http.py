"""HTTP out: guarded, verified, sent once."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path

import pytest
import requests

from hiram.lib import http
from tests.drivers.certificate import certificate
from tests.drivers.http_peer import OK, HttpPeer
from tests.drivers.peer import Gone, Peer, Wire, silent, wait_for

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


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A server's certificate for 127.0.0.1 that this process trusts."""
    context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    http.tls.cache_clear()
    yield context
    http.tls.cache_clear()


def cut(wire: Wire) -> None:
    wire.cut()


def end(wire: Wire) -> None:
    raise Gone


# --- connections --------------------------------------------------------------------------------


def test_connections_are_kept(session: requests.Session, peer: HttpPeer) -> None:
    for _ in range(3):
        assert session.post(peer.url, data=b"x").content == b"ok"
    assert peer.connections == 1
    session.close()
    wait_for(lambda: peer.open == 0, "the connection closed")


def test_threads_share_a_session(session: requests.Session, peer: HttpPeer) -> None:
    with ThreadPoolExecutor(16) as threads:
        bodies = [f"n{number}".encode() for number in range(200)]
        answers = list(threads.map(lambda body: session.post(peer.url, data=body), bodies))
    assert {answer.content for answer in answers} == {b"ok"}
    assert sorted(asked.body for asked in peer.asked) == sorted(bodies)
    assert peer.connections <= 16


def test_idle_connections_are_not_trusted_for_long(
    session: requests.Session, peer: HttpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.get(peer.url)
    monkeypatch.setattr(http, "IDLE_SECONDS", 0.0)
    session.get(peer.url)
    assert peer.connections == 2


def test_a_connection_that_the_server_closed_is_not_used(
    session: requests.Session, peer: HttpPeer
) -> None:
    def bye(wire: Wire) -> None:
        wire.say(OK)
        raise Gone

    peer.answers.append(bye)
    session.get(peer.url)
    wait_for(lambda: peer.open == 0, "the server closed")
    assert session.get(peer.url).content == b"ok"
    assert len(peer.asked) == 2


@pytest.mark.parametrize("how", [cut, end])
def test_nothing_is_sent_twice(
    session: requests.Session, peer: HttpPeer, how: Callable[[Wire], None]
) -> None:
    """Also not on a connection that was used before: the request may have been taken."""
    session.post(peer.url, data=b"first")
    peer.answers.append(how)
    with pytest.raises(requests.RequestException):
        session.post(peer.url, data=b"second")
    assert [asked.body for asked in peer.asked] == [b"first", b"second"]


# --- surely not sent ----------------------------------------------------------------------------


def test_what_never_left_says_so(session: requests.Session, peer: HttpPeer) -> None:
    with Peer(silent) as other:
        closed = f"http://127.0.0.1:{other.port}/token-canary"
    urls = {
        closed: "no connection to 127.0.0.1: Connection refused",
        f"https://127.0.0.1:{peer.port}/": None,  # no TLS there
        "http:///x": "the request is not valid",
        "ftp://127.0.0.1/": "the address is neither https nor http",
    }
    for url, words in urls.items():
        with http.deadline(SHORT), pytest.raises(http.NotSent) as raised:
            session.post(url, data=b"x")
        assert not isinstance(raised.value, http.Refused)
        assert words in (None, str(raised.value))
        assert "canary" not in str(raised.value)
    for headers in ({"X-A": "b\r\nX: y"}, {"X-A": "\u20ac"}):
        with pytest.raises(http.NotSent):
            session.post(peer.url, headers=headers)
    # What TLS says to a peer that speaks none may look like a line of anything.
    assert not any(asked.line.startswith("POST") for asked in peer.asked)


def test_no_time_is_left_to_send(session: requests.Session, peer: HttpPeer) -> None:
    with http.deadline(0), pytest.raises(http.NotSent):
        session.post(peer.url)
    assert peer.connections == 0


def test_the_guard(session: requests.Session, peer: HttpPeer) -> None:
    session.get(peer.url)
    http.use(http.Policy(allow=LOOPBACK))
    with http.session() as other, pytest.raises(http.Refused, match="use https"):
        other.get(peer.url)
    http.use(http.Policy(plain=True))
    with http.session() as other, pytest.raises(http.Refused, match="is not an allowed"):
        other.get(peer.url)
    assert len(peer.asked) == 1


@pytest.mark.parametrize(
    "url", ["http://localhost:{}", "http://[::1]:{}", "http://2130706433:{}", "http://0x7f.1:{}",
            "http://user@127.0.0.1:{}", "http://127.0.0.1.:{}", "https://169.254.169.254:{}"],
)  # fmt: skip
def test_no_spelling_passes_the_guard(session: requests.Session, peer: HttpPeer, url: str) -> None:
    http.use(http.Policy(plain=True))
    with pytest.raises(http.NotSent):
        session.get(url.format(peer.port), timeout=5)
    assert peer.connections == 0


def test_the_environment_is_not_obeyed(
    session: requests.Session, peer: HttpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Peer(cut) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert session.get(peer.url).ok
        plain = requests.Session()  # somebody else's, with our adapter
        plain.mount("http://", http.GuardedAdapter())
        with plain:
            assert plain.get(peer.url).ok
        assert proxy.connections == 0


def test_no_password_of_the_host_is_sent(
    session: requests.Session, peer: HttpPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login canary password canary\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    session.get(peer.url)
    assert "authorization" not in peer.asked[0].headers


def test_a_body_that_breaks_off_may_have_been_sent(
    session: requests.Session, peer: HttpPeer
) -> None:
    def body() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("broken off")

    with pytest.raises(ValueError, match="broken off"):
        session.post(peer.url, data=body())


# --- TLS ----------------------------------------------------------------------------------------


def test_tls(session: requests.Session, shown: ssl.SSLContext) -> None:
    with HttpPeer(tls=shown) as peer, http.session() as session:
        for _ in range(3):
            assert session.post(peer.url, data=b"x").ok
        assert peer.connections == 1


@pytest.mark.parametrize("wrong", ["not trusted", "another host", "run out"])
def test_a_bad_certificate(tmp_path: Path, shown: ssl.SSLContext, wrong: str) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    address = "127.0.0.9" if wrong == "another host" else "127.0.0.1"
    where = folder if wrong == "not trusted" else tmp_path
    context = certificate(where, address, days=-1 if wrong == "run out" else 1)
    http.tls.cache_clear()
    with HttpPeer(tls=context) as peer, http.session() as session:
        with pytest.raises(http.NotSent):
            session.post(peer.url, data=b"secret")
        assert peer.asked == []


# --- what else a server could want --------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_answers(session: requests.Session, peer: HttpPeer, status: int) -> None:
    with HttpPeer() as inner:
        location = f"Location: {inner.url}/x\r\nContent-Length: 0\r\n\r\n"
        peer.usual = f"HTTP/1.1 {status} Moved\r\n{location}".encode()
        assert session.post(peer.url, data=b"x").status_code == status
        assert session.get(peer.url).status_code == status
        assert inner.connections == 0
        assert len(peer.asked) == 2


def test_no_cookie_is_kept(session: requests.Session, peer: HttpPeer) -> None:
    peer.usual = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    for _ in range(2):
        session.get(peer.url)
    assert "cookie" not in peer.asked[1].headers


def test_a_503_with_retry_after_is_an_answer(session: requests.Session, peer: HttpPeer) -> None:
    peer.usual = b"HTTP/1.1 503 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
    assert session.get(peer.url).status_code == 503
    assert len(peer.asked) == 1


def test_no_url_is_logged(
    session: requests.Session, peer: HttpPeer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    peer.answers += [OK, b"HTTP/1.1 200 OK\r\nConnection: close\r\nbroken\r\n : x\r\n\r\n", cut]
    for _ in range(2):
        session.get(f"{peer.url}/bot-canary/send")
    with pytest.raises(requests.RequestException):
        session.get(f"{peer.url}/bot-canary/send")
    assert "canary" not in caplog.text


def test_a_child_process_opens_its_own(session: requests.Session, peer: HttpPeer) -> None:
    """What `os.fork` runs in a child, run here: a process with threads is not forked in tests."""
    session.get(peer.url)
    adapter = session.get_adapter(peer.url)
    assert isinstance(adapter, http.GuardedAdapter)
    adapter.forked()
    session.get(peer.url)
    assert peer.connections == 2
