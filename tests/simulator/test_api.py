"""The mailbox's API."""

import json
import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
import requests

from delivery.simulator.server import Config, Simulator


def mail(number: int, to: str = "b@shop.test", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["Message-ID"] = f"<k{number}@shop.test>"
    message["From"] = "Shop <a@shop.test>"
    message["To"] = to
    message["Subject"] = f"Grüße {number}"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("Hello\n")
    return message


def deliver(sim: Simulator, *messages: EmailMessage) -> None:
    with smtplib.SMTP(sim.smtp_host, sim.smtp_port, timeout=10) as client:
        for message in messages:
            client.send_message(message)


def get(sim: Simulator, path: str, **query: str | int) -> requests.Response:
    return requests.get(sim.http_url + path, params=query, timeout=10)


def keys(sim: Simulator, **query: str | int) -> list[str]:
    return [message["key"] for message in get(sim, "/messages", **query).json()["data"]]


def test_a_list_shows_the_newest_first(sim):
    deliver(sim, mail(1), mail(2))
    page = get(sim, "/messages").json()
    assert (page["has_more"], page["next_cursor"]) == (False, None)
    newest = page["data"][0]
    stored = sim.messages()[0]
    assert newest == {
        "id": stored.id,
        "vendor": "smtp",
        "channel": "email",
        "key": "k2",
        "sender": "a@shop.test",
        "recipients": ["b@shop.test"],
        "subject": "Grüße 2",
        "received_at": newest["received_at"],
        "size": len(stored.raw),
    }
    received_at = datetime.fromisoformat(newest["received_at"])
    assert received_at.timestamp() == pytest.approx(stored.received_at, abs=1e-5)


def test_a_message_shows_all_its_parts(sim):
    message = mail(1, X_Order="7")
    message.add_alternative("<p>Hällo</p>", subtype="html")
    message.add_attachment(b"\x00\xff", maintype="image", subtype="png", filename="ä b.png")
    message.add_attachment("plain", filename="note.txt")
    deliver(sim, message)
    stored = sim.messages()[0]
    shown = get(sim, f"/messages/{stored.id}").json()
    assert (shown["text"], shown["html"]) == ("Hello\r\n", "<p>Hällo</p>\r\n")
    assert shown["envelope"] == {"from": "a@shop.test", "rcpt_to": ["b@shop.test"]}
    assert shown["message_id"] == "k1@shop.test"
    assert ["Subject", "Grüße 1"] in shown["headers"]
    assert ["X-Order", "7"] in shown["headers"]
    assert shown["attachments"] == [
        {"number": 0, "filename": "ä b.png", "content_type": "image/png", "size": 2},
        {"number": 1, "filename": "note.txt", "content_type": "text/plain", "size": 7},
    ]
    raw = get(sim, f"/messages/{stored.id}/raw")
    assert (raw.content, raw.headers["content-type"]) == (stored.raw, "message/rfc822")
    file = get(sim, f"/messages/{stored.id}/attachments/0")
    assert (file.content, file.headers["content-type"]) == (b"\x00\xff", "image/png")
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%A4%20b.png"
    assert get(sim, f"/messages/{stored.id}/attachments/2").status_code == 404


def test_filters(sim):
    deliver(sim, mail(1), mail(2, "C@shop.test"), mail(3))
    requests.post(
        f"{sim.http_url}/twilio/2010-04-01/Accounts/AC{'0' * 32}/Messages.json",
        data={"To": "+491701234567", "From": "+15005550006", "Body": "hi"},
        auth=("AC", "t"),
        timeout=10,
    )
    assert keys(sim) == ["hi", "k3", "k2", "k1"]
    assert keys(sim, channel="sms") == ["hi"]
    assert keys(sim, channel="email", recipient="c@SHOP.test") == ["k2"]
    assert keys(sim, recipient="+491701234567") == ["hi"]
    assert keys(sim, subject="grüße 3") == ["k3"]
    assert keys(sim, key="k1") == ["k1"]
    assert keys(sim, message_id="k2@shop.test") == ["k2"]
    assert keys(sim, key="nothing") == []
    second = sim.messages(key="k2")[0]
    since = datetime.fromtimestamp(second.received_at, UTC).isoformat()
    assert keys(sim, since=since)[:2] == ["hi", "k3"]
    assert "k1" not in keys(sim, since=since)
    assert get(sim, "/count", channel="email").json() == {"count": 3, "arrived": 4}
    assert get(sim, "/count").json() == {"count": 4, "arrived": 4}


def test_pages_neither_lose_nor_repeat_while_mail_comes_in(sim):
    deliver(sim, *(mail(number) for number in range(7)))
    seen, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = get(sim, "/messages", **query).json()
        seen += [message["key"] for message in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
        deliver(sim, mail(99))
    assert seen == [f"k{number}" for number in range(6, -1, -1)]


@pytest.mark.parametrize(
    ("path", "query", "pointer"),
    [
        ("/messages", "limit=0", "/limit"),
        ("/messages", "limit=501", "/limit"),
        ("/messages", "limit=%C2%B2", "/limit"),
        ("/messages", "cursor=-1", "/cursor"),
        ("/messages", "since=yesterday", "/since"),
        ("/messages", "since=2026-01-01T00:00:00", "/since"),
        ("/messages", "colour=red", "/colour"),
        ("/count", "limit=1", "/limit"),
        ("/arrivals", "after=x", "/after"),
        ("/messages", "&".join(["key=x"] * 51), ""),
    ],
)
def test_a_query_that_is_not_understood_is_refused_with_its_place(sim, path, query, pointer):
    refused = requests.get(f"{sim.http_url}{path}?{query}", timeout=10)
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]


def test_messages_are_deleted_one_or_all(sim):
    deliver(sim, mail(1), mail(2))
    one = f"{sim.http_url}/messages/{sim.messages(key='k1')[0].id}"
    assert requests.delete(one, timeout=10).status_code == 204
    assert requests.delete(one, timeout=10).status_code == 404
    assert requests.get(one, timeout=10).status_code == 404
    assert requests.get(f"{one}/raw", timeout=10).status_code == 404
    assert keys(sim) == ["k2"]
    assert get(sim, "/count").json() == {"count": 1, "arrived": 2}
    assert requests.delete(f"{sim.http_url}/messages", timeout=10).status_code == 204
    assert get(sim, "/count").json() == {"count": 0, "arrived": 0}
    assert get(sim, "/arrivals").text == ""


def test_arrivals_count_duplicates_and_can_be_followed(sim):
    deliver(sim, mail(1), mail(2), mail(1))
    answer = get(sim, "/arrivals")
    assert answer.headers["content-type"] == "application/x-ndjson"
    arrivals = [json.loads(line) for line in answer.iter_lines()]
    assert [(a["n"], a["key"], a["recipient"], a["vendor"]) for a in arrivals] == [
        (1, "k1", "b@shop.test", "smtp"),
        (2, "k2", "b@shop.test", "smtp"),
        (3, "k1", "b@shop.test", "smtp"),
    ]
    assert arrivals == sim.arrivals()
    assert len(get(sim, "/arrivals", after=2).text.splitlines()) == 1
    assert get(sim, "/arrivals", after=3).text == ""


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nothing", 404, None),
        ("GET", "/messages/unknown", 404, None),
        ("GET", "/messages/unknown/attachments/0", 404, None),
        ("GET", "/messages/unknown/attachments/x", 404, None),
        ("PUT", "/messages", 405, "GET, DELETE"),
        ("POST", "/arrivals", 405, "GET"),
    ],
)
def test_unknown_paths_and_methods(sim, method, path, status, allow):
    answer = requests.request(method, sim.http_url + path, timeout=10)
    assert (answer.status_code, answer.headers.get("allow")) == (status, allow)
    assert answer.json()["status"] == status


def test_the_guide_names_the_recipients_that_need_no_order(sim):
    guide = get(sim, "/").json()
    assert (guide["messages"], guide["arrived"]) == (0, 0)
    assert sorted(guide["recipients"]) == [
        f"{local}@simulator.test"
        for local in ("bounce", "cut", "drop", "refuse", "slow", "throttle")
    ]


def test_a_browser_is_sent_to_the_page_and_a_program_is_not() -> None:
    with Simulator(Config(page="http://127.0.0.1:1/portal/mailbox/")) as sim:
        shown = requests.get(
            sim.http_url, headers={"Accept": "text/html"}, allow_redirects=False, timeout=5
        )
        assert (shown.status_code, shown.headers["location"]) == (
            303,
            "http://127.0.0.1:1/portal/mailbox/",
        )
        assert requests.get(sim.http_url, timeout=5).json()["messages"] == 0
