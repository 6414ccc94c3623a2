"""JSON as RFC 8259, against Python's own reader and against what it lets pass."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiram.lib.strict_json import DEPTH, Malformed, loads

LARGEST = 2**63 - 1
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-LARGEST, LARGEST)
    | texts
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(value=values, ascii_only=st.booleans())
def test_what_is_json_is_read(value: Any, ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert loads(raw) == value
    assert json.dumps(loads(raw)) == json.dumps(value)


@given(raw=st.binary(max_size=60))
def test_any_bytes_are_read_as_python_does_or_refused(raw: bytes) -> None:
    try:
        value = loads(raw)
    except Malformed:
        return
    assert json.dumps(value) == json.dumps(json.loads(raw.decode()))


def nested(depth: int, inside: str, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + inside + closing * depth).encode()


@pytest.mark.parametrize("inside", ["", "1"])
def test_twenty_levels_and_no_more(inside: str) -> None:
    assert DEPTH == 20
    loads(nested(20, inside))
    loads(nested(20, "1", '{"a":', "}"))
    loads(b"[" + b",".join([nested(19, inside)] * 50) + b"]")
    with pytest.raises(Malformed, match="nested"):
        loads(nested(21, inside))
    with pytest.raises(Malformed, match="nested"):
        loads(nested(21, "1", '{"a":', "}"))
    with pytest.raises(Malformed, match="nested"):
        loads(b'{"a": [1, ' + nested(20, inside) + b"]}")


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000, b'{"a":' * 100_000, b"[" * 1_000_000 + b"]" * 1_000_000,
        b"[" * 5_000 + b"]" * 5_000,
    ],
    ids=["lists", "objects", "closed", "some"],
)  # fmt: skip
def test_depth_crashes_nothing(raw: bytes) -> None:
    with pytest.raises(Malformed):
        loads(raw)


def test_brackets_in_strings_are_no_depth() -> None:
    assert loads(json.dumps({"a": "[{" * 500}).encode()) == {"a": "[{" * 500}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": 1, "a": 1}', b'{"a": {"b": 1, "c": 2, "b": 3}}', b'[{"a": 1, "\\u0061": 2}]',
        b'{"": 1, "": 1}',
    ],
)  # fmt: skip
def test_doubled_names_are_refused(raw: bytes) -> None:
    with pytest.raises(Malformed, match="twice"):
        loads(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b" ", b"{", b"nul", b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b"1e999", b"-1e999",
        b"[1e400]", b"9223372036854775808", b"9" * 5_000, b"-" + b"9" * 100_000, b"1 2", b"[1,]", b"{'a': 1}", b"{a: 1}",
        b"01", b"1.", b".5", b"+1", b"0x1", b"// c\n1", b'"\t"', b'"\n"', b'"\x00"', b'"\x1f"',
        b'"\\u0000"', b'{"\\u0000": 1}', b'["\\u0000a"]', b'"\\ud800"', b'{"a\\udfff": 1}',
        b'"\\udc00\\ud800"', b'"\\x"', b'"\\u12"', b"\xef\xbb\xbf{}", '{"a": 1}'.encode("utf-16"),
        '"\u00e4"'.encode("latin-1"), b'"\xed\xa0\x80"', b'"\xc0\x80"', b"\x00{}", b"{}\x00",
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        loads(raw)
    said = str(caught.value)
    assert said
    assert "\n" not in said
    assert len(said) < 200
    assert "int_max_str_digits" not in said
    assert said.encode()


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b' \t\r\n{"a":1}\n', {"a": 1}), (b'"\\ud83d\\ude00"', "\U0001f600"), (b'"\\u0001"', "\x01"),
        (b"1e-999", 0.0), (b"-0", 0), (b"1e5", 100_000.0), (b'"\\\\u0000"', "\\u0000"),
        (b"9223372036854775807", LARGEST), (b"-9223372036854775807", -LARGEST),
        ('"\u00e4\u2028"'.encode(), "\u00e4\u2028"), (b'"\x7f"', "\x7f"),
    ],
)  # fmt: skip
def test_what_looks_odd_and_is_json_is_read(raw: bytes, value: Any) -> None:
    assert loads(raw) == value


def test_a_secret_is_not_repeated() -> None:
    for raw in (b'{"password": "canary-1"', b'{"password": "canary-1\\ud800"}', b'"canary-1\x00"'):
        with pytest.raises(Malformed) as caught:
            loads(raw)
        assert "canary" not in str(caught.value)
