"""Problems (RFC 9457)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiram.lib.problems import EXPLAINED, FieldError, Problem, pointer

BASE = "https://hiram.example"


@pytest.mark.parametrize("code", EXPLAINED)
def test_every_problem_has_its_members(code: str) -> None:
    status, title, remedy = EXPLAINED[code]
    body = json.loads(Problem(code).encoded(base_url=BASE, request_id="rid_1"))
    assert body == {
        "type": f"{BASE}/problems/{code}",
        "title": title,
        "status": status,
        "detail": remedy,
        "code": code,
        "trace_request_id": "rid_1",
        "errors": [],
    }
    assert 400 <= status < 600
    assert title
    assert remedy


def test_details_errors_headers_and_more() -> None:
    problem = Problem(
        "invalid",
        "No.",
        errors=[FieldError("/a", "required", "Needed.")],
        headers={"Retry-After": "1"},
        extra={"outcome": "unknown"},
    )
    assert (problem.status, str(problem), problem.headers) == (422, "No.", {"Retry-After": "1"})
    assert problem.body(base_url=BASE, request_id=None) == {
        "type": f"{BASE}/problems/invalid",
        "title": "The request cannot be accepted as it is",
        "status": 422,
        "detail": "No.",
        "code": "invalid",
        "errors": [{"pointer": "/a", "code": "required", "detail": "Needed."}],
        "outcome": "unknown",
    }


def test_an_unknown_code_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        Problem("no-such-code")


def read(text: str) -> list[str]:
    """A JSON pointer's steps, as RFC 6901, section 4 says."""
    assert text == "" or text[0] == "/"
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


@given(steps=st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["~", "/", "~1", "~01"]))))
def test_a_pointer_is_read_back(steps: list[str]) -> None:
    assert read(pointer(*steps)) == steps


def test_pointers() -> None:
    assert pointer() == ""
    assert pointer("a", 0, "b/c", "d~e") == "/a/0/b~1c/d~0e"


@given(text=st.text())
def test_anything_can_be_encoded(text: str) -> None:
    errors = [FieldError(pointer(text), text, text)]
    raw = Problem("invalid", text, errors=errors).encoded(base_url=BASE, request_id=text)
    assert json.loads(raw)["trace_request_id"] == text
