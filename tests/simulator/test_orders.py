"""Faults are ordered over HTTP; what makes no sense is refused with its reason."""

from http import HTTPStatus

import pytest
import requests

from delivery.simulator import faults


def test_an_order_is_shown_counted_and_withdrawn(sim):
    order = {"target": "smtp", "kind": "status", "code": 451, "times": 3}
    created = requests.post(f"{sim.http_url}/faults", json=order, timeout=10)
    assert created.status_code == 201
    shown = created.json()
    assert shown == {"id": shown["id"], "applied": 0, **order}
    assert created.headers["location"] == f"/faults/{shown['id']}"
    listed = requests.get(f"{sim.http_url}/faults", timeout=10).json()
    assert listed == {"data": [shown]}
    one = f"{sim.http_url}/faults/{shown['id']}"
    assert requests.delete(one, timeout=10).status_code == 204
    assert requests.delete(one, timeout=10).status_code == 404
    assert sim.faults() == []


def test_all_orders_are_withdrawn_at_once(sim):
    sim.order(target="smtp", kind="drop")
    sim.order(target="resend", kind="throttle", retry_after=3)
    assert requests.delete(f"{sim.http_url}/faults", timeout=10).status_code == 204
    assert sim.faults() == []


@pytest.mark.parametrize(
    ("order", "pointer", "part"),
    [
        ({"target": "smtp"}, "/kind", "required"),
        ({"target": "fax", "kind": "drop"}, "/target", "'smtp', 'resend' or 'twilio'"),
        ({"target": "smtp", "kind": "explode"}, "/kind", "'refuse'"),
        ({"target": "smtp", "kind": "drop", "colour": "red"}, "/colour", "not permitted"),
        ({"target": "smtp", "kind": "drop", "match": {"to": "x"}}, "/match/to", "not permitted"),
        ({"target": "smtp", "kind": "gateway"}, "/kind", "no gateway"),
        ({"target": "smtp", "kind": "status", "status": 500}, "/status", "no such thing"),
        ({"target": "smtp", "kind": "status", "code": "x"}, "/code", "a number"),
        ({"target": "smtp", "kind": "status", "code": 250}, "/code", "400 to 599"),
        ({"target": "smtp", "kind": "status", "code": True}, "/code/int", "integer"),
        ({"target": "smtp", "kind": "status", "enhanced": "5.1"}, "/enhanced", "match pattern"),
        ({"target": "smtp", "kind": "status", "message": "a\r\nb"}, "/message", "match pattern"),
        ({"target": "smtp", "kind": "refuse", "phase": "dot"}, "/phase", "connect"),
        ({"target": "smtp", "kind": "status", "phase": "body"}, "/phase", "rcpt"),
        ({"target": "resend", "kind": "status", "phase": "dot"}, "/phase", "only a fault of smtp"),
        ({"target": "resend", "kind": "status", "enhanced": "5.1.1"}, "/enhanced", "only"),
        ({"target": "resend", "kind": "status", "code": 422}, "/code", "names"),
        ({"target": "resend", "kind": "status", "status": 302}, "/status", "400 to 599"),
        ({"target": "resend", "kind": "status", "status": 99}, "/status", "greater than"),
        ({"target": "twilio", "kind": "status", "code": "x"}, "/code", "a number"),
        ({"target": "twilio", "kind": "drop", "match": {"subject": "x"}}, "/match", "no subject"),
        ({"target": "twilio", "kind": "refuse", "match": {"recipient": "x"}}, "/match", "nothing"),
        ({"target": "twilio", "kind": "drop", "seconds": 3}, "/seconds", "no such thing"),
        ({"target": "twilio", "kind": "drop", "accept": True}, "/accept", "no such thing"),
        ({"target": "twilio", "kind": "slow", "seconds": -1}, "/seconds", "greater than"),
        ({"target": "smtp", "kind": "drop", "times": 0}, "/times", "greater than"),
        ({"target": "smtp", "kind": "drop", "times": "2"}, "/times", "integer"),
        ({"target": "smtp", "kind": "drop", "probability": 1.5}, "/probability", "less than"),
        (
            {"target": "smtp", "kind": "status", "match": {"subject": "x"}},
            "/match",
            "only in phase dot",
        ),
        (
            {"target": "smtp", "kind": "drop", "phase": "mail", "match": {"recipient": "x"}},
            "/match",
            "only from phase rcpt",
        ),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_with_its_place(sim, order, pointer, part):
    refused = requests.post(f"{sim.http_url}/faults", json=order, timeout=10)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert (problem["title"], problem["status"]) == (HTTPStatus(422).phrase, 422)
    found = {error["pointer"]: error["detail"] for error in problem["errors"]}
    assert part in found[pointer]
    assert sim.faults() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"target": NaN}'])
def test_what_is_no_json_object_is_refused(sim, body):
    refused = requests.post(f"{sim.http_url}/faults", data=body, timeout=10)
    assert refused.status_code == 422
    assert len(refused.json()["errors"]) >= 1


def test_null_means_as_if_not_given(sim):
    order = {"target": "resend", "kind": "status", "code": None, "times": None, "phase": None}
    created = requests.post(f"{sim.http_url}/faults", json=order, timeout=10)
    assert created.status_code == 201


def test_orders_are_bounded(sim, monkeypatch):
    monkeypatch.setattr(faults, "MAX_ORDERS", 2)
    order = {"target": "smtp", "kind": "drop"}
    statuses = [
        requests.post(f"{sim.http_url}/faults", json=order, timeout=10).status_code
        for _ in range(3)
    ]
    assert statuses == [201, 201, 409]
