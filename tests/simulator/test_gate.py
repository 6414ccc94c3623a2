"""A web page must not be able to drive the simulator."""

import pytest
import requests

from delivery.simulator.gate import objection
from delivery.simulator.server import Config, Simulator

ORDER = {"target": "smtp", "kind": "drop"}


@pytest.mark.parametrize(
    "host",
    ["evil.test", "127.0.0.1.evil.test", "localhost.evil.test:80", "", "0.0.0.1", "10.0.0.1"],
)
def test_a_foreign_host_is_refused_everywhere(sim, host):
    sim.order(**ORDER)
    for method, path in (
        ("GET", "/messages"),
        ("POST", "/faults"),
        ("DELETE", "/faults"),
        ("POST", "/resend/emails"),
        ("GET", "/twilio/2010-04-01/Accounts/AC1/Messages.json"),
    ):
        refused = requests.request(
            method, sim.http_url + path, json=ORDER, headers={"Host": host}, timeout=10
        )
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json"
    assert len(sim.faults()) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3357"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_another_origin_is_refused(sim, headers):
    refused = requests.post(f"{sim.http_url}/faults", json=ORDER, headers=headers, timeout=10)
    assert refused.status_code == 403
    assert sim.faults() == []


def test_our_own_origin_is_not_refused(sim):
    headers = {"Origin": sim.http_url, "Sec-Fetch-Site": "same-origin"}
    ordered = requests.post(f"{sim.http_url}/faults", json=ORDER, headers=headers, timeout=10)
    assert ordered.status_code == 201


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:80", "localhost", "LOCALHOST:1", "[::1]:80", "127.8.8.8"]
)
def test_loopback_is_ours_by_each_of_its_names(host):
    assert objection({"host": host}, ()) is None


def test_more_names_can_be_allowed():
    with Simulator(Config(allowed_hosts=("Simulator",))) as sim:
        for host, status in (("simulator:8025", 200), ("simulators", 403)):
            answer = requests.get(sim.http_url, headers={"Host": host}, timeout=10)
            assert answer.status_code == status


def test_what_a_message_says_cannot_run_as_a_page(sim):
    page = "<script>alert(1)</script>"
    email = {
        "from": "a@shop.test",
        "to": "b@shop.test",
        "subject": page,
        "html": page,
        "attachments": [
            {"filename": 'a"\r\nX-Evil: 1.html', "content": "aGk=", "content_type": "text/html"},
            {"filename": "b", "content": "aGk=", "content_type": "text/html\r\nX-Evil: 1"},
        ],
    }
    requests.post(
        f"{sim.http_url}/resend/emails",
        json=email,
        headers={"Authorization": "Bearer re_1"},
        timeout=10,
    )
    one = f"{sim.http_url}/messages/{sim.messages()[0].id}"
    for path in ("", "/raw", "/attachments/0", "/attachments/1"):
        answer = requests.get(one + path, timeout=10)
        assert answer.status_code == 200
        assert "X-Evil" not in answer.headers
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        if path:
            assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8")
