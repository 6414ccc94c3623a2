"""The mailbox: what the real simulator received over real SMTP, shown so that nothing runs."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from html import unescape
from typing import Any

import pytest

from delivery.simulator.server import Simulator
from hiram.lib import ids
from tests.portal.conftest import CANARY, People, World

BOX = "/portal/mailbox/"
EVIL = '<script>alert(1)</script><img src="https://evil.example/x.png" onerror="alert(2)">'


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator, settings: Any) -> Simulator:
    running.clear()
    settings.SIMULATOR_URL = running.http_url
    return running


def _send(simulator: Simulator, key: str = "", **fields: Any) -> str:
    """Deliver a mail; the simulator's id of it."""
    mail = EmailMessage()
    mail["From"], mail["To"] = "hello@sender.example", fields.get("to", "ada@recipient.example")
    mail["Subject"] = fields.get("subject", "Order confirmed")
    mail["Message-ID"] = f"<{key or 'stranger'}@sender.example>"
    mail.set_content(fields.get("text", "Thank you."))
    if "html" in fields:
        mail.add_alternative(fields["html"], subtype="html")
    if "file" in fields:
        name, content = fields["file"]
        mail.add_attachment(content, maintype="text", subtype="html", filename=name)
    with smtplib.SMTP(simulator.smtp_host, simulator.smtp_port) as client:
        client.send_message(mail)
    return simulator.messages()[0].id


@pytest.mark.parametrize("path", ["", "clear/", "x/", "x/raw/", "x/files/0/"])
def test_without_a_simulator_there_is_no_mailbox(path: str, people: People) -> None:
    for who in ("viewer", "operator"):
        assert people[who].get(BOX + path).status_code == 404
        assert people[who].post(BOX + path).status_code == 404
        assert BOX not in people[who].get("/portal/").content.decode()


def test_an_operator_sees_everything(people: People, simulator: Simulator) -> None:
    first = _send(simulator, subject="the first")
    _send(simulator, subject="the second", to="eva@recipient.example")
    page = people["operator"].get(BOX).content.decode()
    assert page.index("the second") < page.index("the first")
    assert BOX in people["operator"].get("/portal/").content.decode()
    found = people["operator"].get(BOX, {"recipient": "eva@recipient.example"}).content.decode()
    assert "the second" in found
    assert "the first" not in found
    detail = people["operator"].get(f"{BOX}{first}/").content.decode()
    for text in ("the first", "Thank you.", "ada@recipient.example", "hello@sender.example",
                 "Message-ID", "&lt;stranger@sender.example&gt;"):  # fmt: skip
        assert text in detail


@pytest.mark.parametrize("replayed", ["", "-1"])
def test_a_member_sees_what_his_notifications_became(
    replayed: str, people: People, ours: World, theirs: World, simulator: Simulator
) -> None:
    keys = [ids.show("ntf", w.notification.pk) + replayed for w in (ours, theirs)]
    own = _send(simulator, keys[0], subject="OUR mail", file=("a.html", b"<p>own</p>"))
    foreign = _send(simulator, keys[1], subject=f"{CANARY} mail", file=("b.html", b"x"))
    other = _send(simulator, "ntf_nonsense", subject=f"{CANARY} odd")
    client = people["viewer"]
    page = client.get(BOX).content.decode()
    assert "OUR mail" in page
    assert CANARY not in page
    assert client.get(f"{BOX}{own}/").status_code == 200
    assert client.get(f"{BOX}{own}/raw/").status_code == 200
    assert client.get(f"{BOX}{own}/files/0/").content == b"<p>own</p>"
    for message in (foreign, other, "unknown"):
        for path in ("", "raw/", "files/0/"):
            response = client.get(f"{BOX}{message}/{path}")
            assert response.status_code == 404
            assert CANARY not in response.content.decode()


@pytest.mark.parametrize("who", ["viewer", "developer", "admin", "owner"])
def test_only_an_operator_empties_it(who: str, people: People, simulator: Simulator) -> None:
    _send(simulator)
    assert people[who].post(f"{BOX}clear/").status_code == 403
    assert len(simulator.messages()) == 1
    assert people["operator"].get(f"{BOX}clear/").status_code == 405
    assert people["operator"].post(f"{BOX}clear/").status_code == 302
    assert simulator.messages() == []


def test_nothing_in_a_mail_runs(people: People, simulator: Simulator) -> None:
    found = _send(simulator, subject=EVIL, text=EVIL, html=EVIL)
    for url in (BOX, f"{BOX}{found}/", f"{BOX}?subject={EVIL}"):
        page = people["operator"].get(url).content.decode()
        assert "<script>alert" not in page
        assert '<img src="https' not in page
    frame = re.search(
        r'<iframe([^>]*) srcdoc="([^"]*)"',
        people["operator"].get(f"{BOX}{found}/").content.decode(),
    )
    assert frame is not None
    assert 'sandbox=""' in frame[1]
    inside = unescape(frame[2])
    assert inside.index("Content-Security-Policy") < inside.index("<script>alert(1)")


def test_a_file_is_a_download_and_nothing_else(people: People, simulator: Simulator) -> None:
    found = _send(simulator, file=('evil".html', EVIL.encode()))
    for path in (f"{found}/files/0/", f"{found}/raw/"):
        response = people["operator"].get(BOX + path)
        assert response["Content-Type"] == "application/octet-stream"
        assert response["Content-Disposition"].startswith("attachment;")
        assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert response["X-Content-Type-Options"] == "nosniff"
    assert people["operator"].get(f"{BOX}{found}/files/0/").content == EVIL.encode()
    assert people["operator"].get(f"{BOX}{found}/files/1/").status_code == 404


@pytest.mark.parametrize("odd", ["..", "%2e%2e", "a%2f..%2fb", "%00", "é", "x" * 3_000])
def test_odd_ids_reach_nothing_else(odd: str, people: People, simulator: Simulator) -> None:
    _send(simulator)
    for who in ("viewer", "operator"):
        for path in ("", "raw/", "files/0/"):
            assert people[who].get(f"{BOX}{odd}/{path}").status_code == 404


@pytest.mark.parametrize("cursor", ["x", "-1", "99999999999999999999"])
def test_odd_cursors(cursor: str, people: People, simulator: Simulator) -> None:
    assert people["operator"].get(BOX, {"cursor": cursor}).status_code == 404


def test_pages(people: People, simulator: Simulator) -> None:
    for n in range(52):
        _send(simulator, subject=f"number {n:02}")
    first = people["operator"].get(BOX).content.decode()
    assert len(re.findall(r"number \d\d", first)) == 50
    older = unescape(re.findall(r'href="(\?[^"]*cursor=[^"]*)"', first)[0])
    second = people["operator"].get(BOX + older).content.decode()
    assert sorted(re.findall(r"number \d\d", second)) == ["number 00", "number 01"]


def test_a_simulator_that_is_away_is_said_to_be(people: People, settings: Any) -> None:
    with Simulator() as gone:
        settings.SIMULATOR_URL = gone.http_url
    for path in ("", "x/", "x/raw/"):
        response = people["operator"].get(BOX + path)
        assert response.status_code == 502
        assert "The simulator does not answer" in response.content.decode()
