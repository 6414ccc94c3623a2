"""Limits: what is watched is shut in time, and nothing else ever is."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hiram.lib.deadline import current, deadline

SOON = 0.2
SLACK = 1.0


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    one.settimeout(10)
    other.settimeout(10)
    yield one, other
    one.close()
    other.close()


def test_a_reader_wakes_in_time(pair: tuple[socket.socket, socket.socket]) -> None:
    started = time.monotonic()
    with deadline(SOON) as limit:
        limit.watch(pair[0])
        assert pair[0].recv(1) == b""
        assert limit.expired
        assert limit.remaining() == 0
    assert SOON <= time.monotonic() - started < SOON + SLACK
    assert limit.expired


def test_a_peer_that_drips_does_not_extend_it(pair: tuple[socket.socket, socket.socket]) -> None:
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.01):
            try:
                pair[1].sendall(b"x")
            except OSError:
                return

    started = time.monotonic()
    with ThreadPoolExecutor(1) as threads, deadline(SOON) as limit:
        threads.submit(drip)
        limit.watch(pair[0])
        got = b""
        while piece := pair[0].recv(1):
            got += piece
        stop.set()
    assert time.monotonic() - started < SOON + SLACK
    assert got


def test_a_writer_wakes_in_time(pair: tuple[socket.socket, socket.socket]) -> None:
    with deadline(SOON) as limit:
        limit.watch(pair[0])
        with pytest.raises(OSError, match="Broken pipe"):
            pair[0].sendall(bytes(50_000_000))
        assert limit.expired


def test_after_the_block_nothing_is_shut(pair: tuple[socket.socket, socket.socket]) -> None:
    with deadline(SOON) as limit:
        limit.watch(pair[0])
    with deadline(2 * SOON) as other:  # one that does fire, so that the time has passed
        waiting, _keep = socket.socketpair()
        other.watch(waiting)
        waiting.settimeout(10)
        assert waiting.recv(1) == b""
    waiting.close()
    _keep.close()
    pair[1].sendall(b"still here")
    assert pair[0].recv(20) == b"still here"
    assert not limit.expired, "it ended in time, whatever the clock says later"


def test_a_closed_socket_whose_number_is_taken_again() -> None:
    """The classic: the watcher must not shut a stranger who has the old descriptor."""
    with deadline(SOON) as limit, contextlib.ExitStack() as opened:

        def pair() -> tuple[socket.socket, socket.socket]:
            made = socket.socketpair()
            for sock in made:
                sock.settimeout(10)
                opened.enter_context(sock)
            return made

        one, other = pair()
        number = one.fileno()
        limit.watch(one)
        one.close()
        stranger, friend = pair()
        while number not in (stranger.fileno(), friend.fileno()):
            stranger, friend = pair()
        assert other.recv(1) == b"", "the watched connection is shut though its object is closed"
        friend.sendall(b"x")
        assert stranger.recv(1) == b"x"


def test_the_earliest_comes_first() -> None:
    """A limit that is set later and ends earlier wakes the watcher before its time."""
    order: list[str] = []

    def wait(name: str, seconds: float, ready: threading.Event) -> None:
        one, other = socket.socketpair()
        with one, other, deadline(seconds) as limit:
            limit.watch(one)
            one.settimeout(10)
            ready.set()
            one.recv(1)
            order.append(name)

    with ThreadPoolExecutor(3) as threads:
        for name, seconds in (("long", 3 * SOON), ("short", SOON), ("middle", 2 * SOON)):
            ready = threading.Event()
            threads.submit(wait, name, seconds, ready)
            assert ready.wait(10)
    assert order == ["short", "middle", "long"]


def test_limits_nest_and_only_shorten() -> None:
    assert current() is None
    with deadline(SOON) as outer:
        with deadline(60) as inner:
            assert current() is inner
            assert inner.end == outer.end
        with deadline(SOON / 2) as sooner:
            assert sooner.end < outer.end
        assert current() is outer
    assert current() is None


def test_a_limit_belongs_to_its_thread() -> None:
    with deadline(5), ThreadPoolExecutor(1) as threads:
        assert threads.submit(current).result() is None


def test_it_ends_with_an_exception_too() -> None:
    with pytest.raises(RuntimeError), deadline(5):
        raise RuntimeError
    assert current() is None


def test_a_socket_that_is_watched_too_late_is_shut_at_once(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    with deadline(0) as limit:
        limit.watch(pair[0])
        assert pair[0].recv(1) == b""


def test_no_descriptor_is_left(pair: tuple[socket.socket, socket.socket]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        with deadline(5) as limit:
            limit.watch(pair[0])
            limit.watch(pair[1])
    assert len(os.listdir("/proc/self/fd")) == before


def test_many_threads_at_once() -> None:
    """Half of the calls end in time, half are shut; nobody gets the other's end."""

    def call(number: int) -> bool:
        one, other = socket.socketpair()
        with one, other, deadline(SOON if number % 2 else 10) as limit:
            limit.watch(one)
            one.settimeout(10)
            if number % 2 == 0:
                other.sendall(b"x")
            return one.recv(1) == b"x"

    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(call, range(200))) == [n % 2 == 0 for n in range(200)]
