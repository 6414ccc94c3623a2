"""The outbound guard: what it must refuse, and what it must let through."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import pytest

from hiram.lib import http, outbound
from hiram.lib.deadline import deadline
from tests.drivers.peer import Peer, Wire

LOOPBACK: tuple[IPv4Network | IPv6Network, ...] = (
    ip_network("127.0.0.0/8"),
    ip_network("::1/128"),
)


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    before = http.policy()
    http.use(http.Policy())
    yield
    http.use(before)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What the resolver answers, instead of asking the network."""
    known: dict[str, list[str]] = {}

    def answer(name: str, *_: Any, **__: Any) -> list[Any]:
        if name not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, 0, 0, "", (address, 0)) for address in known[name]]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


def quiet(wire: Wire) -> None:
    wire.hush()


INTERNAL = [
    "0.0.0.0",  # noqa: S104
    "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::8.8.8.8",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "100:0:0:1::1", "2001::1",
    "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::",
    "2002:a00:1::1", "3ffe::1", "3fff::1", "4000::1", "5f00::1", "8000::1", "fc00::1",
    "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1",
    "128.0.0.1", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.255.255",
    "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:4860:4860::8888", "2606:4700::1111",
    "2a00:1450::1", "2001:200::1", "2003::1", "3000::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INTERNAL)
def test_internal_addresses_are_refused(address: str, names: dict[str, list[str]]) -> None:
    names["bad.example"] = [address]
    for host in (address, f"[{address}]", "bad.example"):
        with pytest.raises(http.Refused):
            http.check(host, 443)
        with pytest.raises(http.Refused):
            http.connect(host, 443, timeout=1)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str, names: dict[str, list[str]]) -> None:
    names["good.example"] = [address]
    http.check(address, 443)
    http.check("good.example", 25)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1.", "017700000001", "1.2.3.0x4",
     "fe80::1%eth0", "127.0.0.1%lo", "::1%1", "2606:4700::1%eth0", "\uff11\uff12\uff17.\uff10.\uff10.\uff11", "127\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1", "", ".", "..",
     "a b", "a\0b", "a/b", "a@b", "a:b", "a\r\nb", "-a.example", "a" * 64 + ".example", "a." * 130 + "b",
     "[]", "[::1", "127.0.0.1:80", "http://a.example", "*.example", "a..b"],
)  # fmt: skip
def test_what_is_no_name_is_refused_unasked(host: str, names: dict[str, list[str]]) -> None:
    names[host] = ["8.8.8.8"]
    with pytest.raises(http.Refused):
        http.check(host, 443)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost.", "LOCALHOST", "a.b.localhost", "x.localhost."]
)
def test_localhost_by_any_name(host: str, names: dict[str, list[str]]) -> None:
    """RFC 6761 section 6.3: these are loopback whatever a resolver says."""
    names["localhost"] = ["127.0.0.1", "::1"]
    names[host] = ["8.8.8.8"] if host.lower() != "localhost" else names["localhost"]
    with pytest.raises(http.Refused):
        http.check(host, 443)
    http.use(http.Policy(allow=LOOPBACK))
    http.check(host, 443)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_ports(port: int) -> None:
    with pytest.raises(http.Refused):
        http.check("8.8.8.8", port)


def test_one_bad_address_among_good_ones(names: dict[str, list[str]]) -> None:
    names["mixed.example"] = ["8.8.8.8", "2606:4700::1", "127.0.0.1"]
    http.use(http.Policy(allow=(ip_network("10.0.0.0/8"),)))
    with pytest.raises(http.Refused):
        http.check("mixed.example", 443)


def test_a_refusal_tells_nothing_but_the_name(names: dict[str, list[str]]) -> None:
    names["inner.example"] = ["10.11.12.13"]
    with pytest.raises(http.Refused) as refused:
        http.check("inner.example", 443)
    assert str(refused.value) == "inner.example is not an allowed destination"


def test_the_policy_opens_networks_and_no_more(names: dict[str, list[str]]) -> None:
    http.use(http.Policy(allow=(ip_network("10.1.0.0/16"),)))
    http.check("10.1.2.3", 25)
    for host in ("10.2.0.1", "127.0.0.1", "::ffff:10.1.2.3"):
        with pytest.raises(http.Refused):
            http.check(host, 25)


def test_an_unknown_name_is_not_a_refusal(names: dict[str, list[str]]) -> None:
    with pytest.raises(socket.gaierror):
        http.check("nowhere.example", 443)
    with pytest.raises(socket.gaierror):
        http.connect("nowhere.example", 443, timeout=1)


def test_a_name_that_changes_between_check_and_connection(names: dict[str, list[str]]) -> None:
    names["rebound.example"] = ["8.8.8.8"]
    http.check("rebound.example", 443)
    names["rebound.example"] = ["127.0.0.1"]
    with Peer(quiet) as peer:
        with pytest.raises(http.Refused):
            http.connect("rebound.example", peer.port, timeout=1)
        assert peer.connections == 0


def test_a_connection_resolves_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that was checked is the one connected to."""
    http.use(http.Policy(allow=LOOPBACK))
    asked: list[str] = []

    def answer(name: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(name)
        return [(0, 0, 0, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with Peer(quiet) as peer:
        http.connect("once.example", peer.port, timeout=5).close()
    assert asked == ["once.example"]


def test_the_next_address_is_tried(names: dict[str, list[str]]) -> None:
    http.use(http.Policy(allow=LOOPBACK))
    with Peer(quiet) as peer:
        names["two.example"] = ["127.0.0.2", "127.0.0.1"]  # the peer listens on the second only
        sock = http.connect("two.example", peer.port, timeout=5)
        assert sock.getpeername() == ("127.0.0.1", peer.port)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        sock.close()


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """A resolver that does not answer before the test ends; tells how often it was asked."""
    release = threading.Event()
    asked = []

    def hang(name: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(name)
        release.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield lambda: len(asked)
    release.set()


def test_a_stuck_resolver_costs_no_more_than_the_time(stuck: Callable[[], int]) -> None:
    started = time.monotonic()
    with deadline(0.2), pytest.raises(socket.gaierror):
        http.connect("stuck.example", 443, timeout=5)
    with pytest.raises(socket.gaierror):
        http.connect("stuck.example", 443, timeout=0.2)
    assert time.monotonic() - started < 1.5
    assert stuck() == 1, "who asks for the same name waits for the same answer"


def test_stuck_names_do_not_use_threads_up(stuck: Callable[[], int]) -> None:
    before = threading.active_count()
    for number in range(outbound.LOOKUPS + 20):
        with pytest.raises(socket.gaierror):
            http.connect(f"s{number}.example", 443, timeout=0.001)
    assert stuck() == outbound.LOOKUPS
    assert threading.active_count() - before <= outbound.LOOKUPS
