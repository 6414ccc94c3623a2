"""The environment: typed, and loud when it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from hiram import env
from hiram.env import Misconfigured

NAME = "HIRAM_TEST_VALUE"
CANARY = "canary-Zr8q3WkX"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (NAME, f"{NAME}_FILE"):
        monkeypatch.delenv(name, raising=False)
    yield
    env.KNOWN.pop(NAME, None)


def integer() -> int:
    return env.integer(NAME, 7, about="a number", least=2)


def number() -> float:
    return env.number(NAME, 0.5, about="a number", least=0.1)


def flag() -> bool:
    return env.flag(NAME, True, about="a switch")


def words() -> tuple[str, ...]:
    return env.words(NAME, ("a", "b"), about="some")


def networks() -> Any:
    return env.networks(NAME, ("10.0.0.0/8",), about="some")


def servers() -> Any:
    return env.servers(NAME, port=53, about="some")


def choice() -> str:
    return env.choice(NAME, "one", ("one", "two"), about="one of them")


def text() -> str:
    return env.text(NAME, "default", about="anything")


DEFAULTS: dict[Callable[[], Any], Any] = {
    integer: 7,
    number: 0.5,
    flag: True,
    words: ("a", "b"),
    networks: (ip_network("10.0.0.0/8"),),
    choice: "one",
    text: "default",
}


@pytest.mark.parametrize("read", DEFAULTS)
def test_what_is_not_set_has_its_default(read: Callable[[], Any]) -> None:
    assert read() == DEFAULTS[read]


@pytest.mark.parametrize(
    ("read", "given", "value"),
    [
        (integer, "2", 2), (integer, " 40 \n", 40), (number, "0.1", 0.1), (number, "1e3", 1000.0),
        (flag, "1", True), (flag, "On", True), (flag, "YES", True), (flag, "true", True),
        (flag, "0", False), (flag, "off", False), (flag, "", False), (flag, "No", False),
        (words, "", ()), (words, "x", ("x",)), (words, " x , y ,, z", ("x", "y", "z")),
        (networks, "127.0.0.0/8, ::1", (ip_network("127.0.0.0/8"), ip_network("::1/128"))),
        (servers, "", ()), (servers, "9.9.9.9", (("9.9.9.9", 53),)),
        (servers, "127.0.0.1:5353, ::1", (("127.0.0.1", 5353), ("::1", 53))),
        (servers, "[2001:db8::1]:54,[::1]", (("2001:db8::1", 54), ("::1", 53))),
        (networks, "", ()), (choice, "two", "two"), (text, "", ""), (text, " x ", "x"),
    ],
)  # fmt: skip
def test_what_is_set_is_read(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], Any], given: str, value: Any
) -> None:
    monkeypatch.setenv(NAME, given)
    assert read() == value


@pytest.mark.parametrize(
    ("read", "given"),
    [
        (integer, ""), (integer, "1"), (integer, "-3"), (integer, "--3"), (integer, "2.0"),
        (integer, "x"), (integer, "1e3"), (integer, "\u00b2"), (integer, "3 4"), (integer, "-"),
        (integer, "9" * 5_000),
        (number, ""), (number, "0.05"), (number, "nan"), (number, "inf"), (number, "-1"),
        (number, "x"), (flag, "maybe"), (flag, "2"), (servers, "dns.example"),
        (servers, "127.0.0.1:x"), (servers, "127.0.0.1:0"), (servers, "[::1]:99999"), (networks, "x"), (networks, "10.0.0.1/8"),
        (networks, "10.0.0.0/40"), (choice, "three"), (choice, "One"), (choice, ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], Any], given: str
) -> None:
    monkeypatch.setenv(NAME, given)
    with pytest.raises(Misconfigured) as caught:
        read()
    assert str(caught.value).startswith(f"{NAME}: ")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, SystemExit)


def test_a_value_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("12\n", encoding="utf-8")
    monkeypatch.setenv(f"{NAME}_FILE", str(file))
    assert integer() == 12
    assert env.raw(NAME) == "12"
    monkeypatch.setenv(NAME, "13")
    assert integer() == 13
    monkeypatch.delenv(NAME)
    monkeypatch.setenv(f"{NAME}_FILE", "")
    assert integer() == 7


def test_a_file_counts_where_the_variable_is_empty(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As Compose leaves it: `NAME: ${NAME:-}` beside `NAME_FILE: /run/secrets/name`."""
    file = tmp_path / "secret"
    file.write_text("12\n", encoding="utf-8")
    monkeypatch.setenv(NAME, "")
    monkeypatch.setenv(f"{NAME}_FILE", str(file))
    assert text() == "12"


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n", b"a\nb\n"])
def test_only_the_last_line_break_is_dropped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    monkeypatch.setenv(f"{NAME}_FILE", str(file))
    assert env.raw(NAME) == content.decode().removesuffix("\n")


def test_a_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff" + CANARY.encode())
    for path in (tmp_path / "nowhere", tmp_path, binary):
        monkeypatch.setenv(f"{NAME}_FILE", str(path))
        with pytest.raises(Misconfigured) as caught:
            text()
        assert str(caught.value).startswith(f"{NAME}_FILE: cannot read {path}: ")
        assert CANARY not in str(caught.value)


def test_every_read_is_known_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "3")
    integer()
    assert env.KNOWN[NAME] == env.Variable(NAME, "7", "a number")
    monkeypatch.setenv(NAME, "x,y")
    words()
    assert env.KNOWN[NAME].default == "a,b"
    monkeypatch.setenv(NAME, "off")
    flag()
    assert env.KNOWN[NAME].default == "true"
