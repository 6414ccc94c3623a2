"""The mailbox is bounded, and is there again after a restart."""

import json
import smtplib
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.simulator.journal import Journal
from delivery.simulator.mailbox import Filter, Mailbox, Received
from delivery.simulator.server import Config, Simulator

EVERYTHING = Filter()


def received(number: int, raw: bytes = b"Subject: s\r\n\r\nHello\r\n") -> Received:
    return Received(
        id=f"id{number}",
        vendor="smtp",
        key=f"k{number}",
        sender="a@shop.test",
        recipients=("b@shop.test", "c@shop.test"),
        received_at=1_700_000_000.25 + number,
        raw=raw,
    )


def kept(folder: Path, **limits: int) -> closing[Mailbox]:
    """The mailbox of a folder, as a simulator that starts there finds it."""
    return closing(Mailbox(Journal(folder, **limits)))


def ids(mailbox: Mailbox) -> list[str]:
    return [message.id for message in mailbox.find(EVERYTHING)]


def test_the_oldest_messages_make_room():
    mailbox = Mailbox(max_messages=3)
    for number in range(5):
        mailbox.add(received(number))
    assert ids(mailbox) == ["id4", "id3", "id2"]
    assert (mailbox.get("id1"), mailbox.count(EVERYTHING), mailbox.arrived) == (None, 3, 10)


def test_large_messages_make_room_by_their_size():
    mailbox = Mailbox(max_bytes=250)
    for number in range(4):
        mailbox.add(received(number, b"x" * 100))
    assert ids(mailbox) == ["id3", "id2"]
    mailbox.delete("id3")
    mailbox.add(received(9, b"x" * 150))
    assert ids(mailbox) == ["id9", "id2"]


def test_the_arrivals_are_bounded_and_keep_their_numbers():
    mailbox = Mailbox(max_messages=1, max_arrivals=4)
    for number in range(3):
        mailbox.add(received(number))
    numbers = [json.loads(line)["n"] for line in mailbox.arrivals()]
    assert (numbers, mailbox.arrived) == ([3, 4, 5, 6], 6)
    assert [json.loads(line)["n"] for line in mailbox.arrivals(after=5)] == [6]
    assert mailbox.arrivals(after=6) == []


def test_a_restart_finds_the_same_mail(tmp_path):
    with kept(tmp_path) as mailbox:
        for number in range(3):
            mailbox.add(received(number, bytes(range(256)) * 4))
        mailbox.delete("id1")
        original = mailbox.get("id0")
    with kept(tmp_path) as mailbox:
        assert ids(mailbox) == ["id2", "id0"]
        assert mailbox.get("id0") == original
        mailbox.add(received(7))
    with kept(tmp_path) as mailbox:
        assert ids(mailbox) == ["id7", "id2", "id0"]


def test_what_was_cleared_does_not_come_back(tmp_path):
    with kept(tmp_path) as mailbox:
        mailbox.add(received(1))
        mailbox.clear()
        mailbox.add(received(2))
    with kept(tmp_path) as mailbox:
        assert ids(mailbox) == ["id2"]


def test_the_disk_is_bounded_and_the_newest_stay(tmp_path):
    with kept(tmp_path, max_bytes=20_000) as mailbox:
        for number in range(200):
            mailbox.add(received(number, b"x" * 300))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000 + 1_000
    with kept(tmp_path) as mailbox:
        there = ids(mailbox)
    assert there == [f"id{number}" for number in range(199, 199 - len(there), -1)]
    assert len(there) >= 15


def test_a_line_that_lacks_only_its_end_counts(tmp_path):
    with kept(tmp_path) as mailbox:
        mailbox.add(received(1))
    path = tmp_path / "newer.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    with kept(tmp_path) as mailbox:
        mailbox.add(received(2))
        assert ids(mailbox) == ["id2", "id1"]
    with kept(tmp_path) as mailbox:
        assert ids(mailbox) == ["id2", "id1"]


@pytest.mark.parametrize("cut", [2, 3, 40, 140])
def test_a_torn_last_line_is_skipped_and_the_next_one_is_whole(tmp_path, cut):
    with kept(tmp_path) as mailbox:
        mailbox.add(received(1))
        mailbox.add(received(2))
    path = tmp_path / "newer.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    with kept(tmp_path) as mailbox:
        assert ids(mailbox) == ["id1"]
        mailbox.add(received(3))
    with kept(tmp_path) as mailbox:
        assert ids(mailbox) == ["id3", "id1"]


FIELDS = b'"key":"","sender":"","received_at":1'


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[1]",
        b"null",
        b"\xff\xfe",
        b'{"id":"x","raw":""}',
        b'{"id":"x","vendor":"fax","recipients":[],%b,"raw":""}' % FIELDS,
        b'{"id":"x","vendor":"smtp","recipients":[],%b,"raw":"!"}' % FIELDS,
        b'{"id":"x","vendor":"smtp","recipients":7,%b,"raw":""}' % FIELDS,
        b'{"id":["x"],"vendor":"smtp","recipients":[],%b,"raw":""}' % FIELDS,
        b'{"deleted":["x"],"raw":""}',
        b'{"deleted":"unknown","raw":""}',
    ],
)
def test_a_foreign_line_is_skipped(tmp_path, line):
    with kept(tmp_path) as mailbox:
        mailbox.add(received(1))
        with (tmp_path / "newer.jsonl").open("ab") as file:
            file.write(line + b"\n")
        mailbox.add(received(2))
    with kept(tmp_path) as mailbox:
        assert ids(mailbox) == ["id2", "id1"]


@given(junk=st.binary(max_size=200))
def test_any_junk_is_skipped(tmp_path_factory, junk):
    folder = tmp_path_factory.mktemp("mailbox")
    (folder / "newer.jsonl").write_bytes(junk)
    with kept(folder) as mailbox:
        mailbox.add(received(1))
    with kept(folder) as mailbox:
        assert ids(mailbox) == ["id1"]


def test_a_disk_that_refuses_does_not_stop_mail(tmp_path, caplog):
    folder = tmp_path / "mailbox"
    folder.write_text("a file where the folder should be")
    mailbox = Mailbox(Journal(folder))
    mailbox.add(received(1))
    mailbox.add(received(2))
    assert ids(mailbox) == ["id2", "id1"]
    mailbox.delete("id1")
    assert [record.message for record in caplog.records] == [
        f"mail is no longer kept on disk: [Errno 17] File exists: '{folder}'"
    ]
    mailbox.clear()
    mailbox.add(received(3))
    assert ids(mailbox) == ["id3"]


def test_the_files_are_their_owners_alone(tmp_path):
    with kept(tmp_path / "mailbox") as mailbox:
        mailbox.add(received(1))
    assert (tmp_path / "mailbox" / "newer.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_simulator_with_a_home_shows_old_mail(tmp_path):
    config = Config(home=tmp_path)
    with Simulator(config) as sim, smtplib.SMTP(sim.smtp_host, sim.smtp_port) as client:
        client.sendmail("a@shop.test", ["b@shop.test"], b"Message-ID: <k1@shop.test>\r\n\r\nx\r\n")
    with Simulator(config) as sim:
        assert [mail.key for mail in sim.messages()] == ["k1"]
        assert [arrival["key"] for arrival in sim.arrivals()] == ["k1"]
