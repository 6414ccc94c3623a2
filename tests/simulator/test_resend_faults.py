"""Resend: every kind of fault, and the recipients that need no order."""

import time

import pytest
import requests

from tests.simulator.test_resend import EMAIL, refusal, send


def test_a_cut_after_accept_is_found_out_by_the_same_key(sim):
    sim.order(target="resend", kind="cut_after_accept", times=1)
    with pytest.raises(requests.ConnectionError):
        send(sim, EMAIL, "key-1")
    (mail,) = sim.messages()
    assert send(sim, EMAIL, "key-1").json() == {"id": mail.id}
    assert sim.count() == 1


@pytest.mark.parametrize("kind", ["refuse", "drop"])
def test_a_cut_before_anything_is_taken(sim, kind):
    sim.order(target="resend", kind=kind, times=1)
    with pytest.raises(requests.ConnectionError):
        send(sim, EMAIL, "key-1")
    assert sim.count() == 0
    assert send(sim, EMAIL, "key-1").status_code == 200


def test_an_error_answer(sim):
    sim.order(target="resend", kind="status", code="daily_quota_exceeded", times=1)
    assert refusal(send(sim)) == (429, "daily_quota_exceeded")
    sim.order(target="resend", kind="status", status=503, code="new_error", message="soon")
    response = send(sim)
    assert response.json() == {"statusCode": 503, "name": "new_error", "message": "soon"}
    assert sim.count() == 0


def test_an_unasked_error_is_theirs(sim):
    sim.order(target="resend", kind="status")
    assert refusal(send(sim)) == (500, "application_error")


def test_a_throttle_says_when_to_come_back(sim):
    sim.order(target="resend", kind="throttle", retry_after=6.5)
    response = send(sim)
    assert refusal(response) == (429, "rate_limit_exceeded")
    limits = {n: v for n, v in response.headers.items() if n.startswith(("ratelimit", "retry"))}
    assert limits == {
        "ratelimit-limit": "2",
        "ratelimit-remaining": "0",
        "ratelimit-reset": "6.5",
        "retry-after": "7",
    }


@pytest.mark.parametrize(("accept", "count"), [(False, 0), (True, 1)])
def test_a_gateway_answers_with_a_page_of_its_own(sim, accept, count):
    sim.order(target="resend", kind="gateway", status=504, accept=accept, times=1)
    response = send(sim, EMAIL, "key-1")
    assert (response.status_code, response.headers["content-type"]) == (504, "text/html")
    assert response.text.startswith("<html>")
    assert sim.count() == count
    assert send(sim, EMAIL, "key-1").status_code == 200
    assert sim.count() == 1


def test_a_tarpit_drips_its_answer(sim):
    sim.order(target="resend", kind="tarpit", seconds=0.002)
    begun = time.monotonic()
    assert send(sim).status_code == 200
    assert time.monotonic() - begun >= 0.002 * 100
    assert sim.count() == 1


def test_a_duplicate_has_an_id_of_its_own(sim):
    sim.order(target="resend", kind="duplicate", times=1)
    answer = send(sim, EMAIL, "key-1").json()
    second, first = sim.messages()
    assert first.id == answer["id"] != second.id
    assert [a["key"] for a in sim.arrivals()] == ["key-1", "key-1"]


def test_a_fault_can_be_for_one_recipient_or_subject(sim):
    sim.order(target="resend", kind="status", match={"recipient": "*@BAD.test"})
    sim.order(target="resend", kind="status", match={"subject": "invoice *"})
    assert send(sim).status_code == 200
    assert send(sim, {**EMAIL, "cc": "x@bad.test"}).status_code == 500
    assert send(sim, {**EMAIL, "subject": "Invoice 7"}).status_code == 500


@pytest.mark.parametrize(
    ("local", "refused"),
    [
        ("bounce", (422, "validation_error")),
        ("refuse", (500, "application_error")),
        ("throttle", (429, "rate_limit_exceeded")),
    ],
)
def test_recipients_that_are_refused_by_name(sim, local, refused):
    email = {**EMAIL, "to": f"Somebody <{local}+7@simulator.test>"}
    assert refusal(send(sim, email)) == refused
    assert sim.count() == 0


@pytest.mark.parametrize(("local", "taken"), [("drop", 0), ("cut", 1)])
def test_recipients_at_whose_mail_the_line_is_cut(sim, local, taken):
    with pytest.raises(requests.ConnectionError):
        send(sim, {**EMAIL, "to": f"{local}@simulator.test"})
    assert sim.count() == taken
