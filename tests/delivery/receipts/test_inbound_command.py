"""`manage.py inbound_smtp` as a process: from a bounce's bytes to what the API says."""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from delivery.models import Receipt
from notifications.models import Notification
from tenants.models import Provider, Tenant
from tests.commands.running import MANAGE
from tests.delivery.receipts.conftest import applied
from tests.delivery.receipts.mails import ADA, bounce
from tests.factories import post, shown
from tests.tenancy import caller

pytestmark = pytest.mark.django_db(transaction=True)

DOMAIN = "bounces.sender.example"
SECONDS = 60


def database(**changes: Any) -> str:
    known = connection.settings_dict
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    place = {name: str(known[key]) for name, key in names.items() if known[key]}
    return make_conninfo(dbname=str(known["NAME"]), **place | changes)


@contextmanager
def process(*options: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(MANAGE), "inbound_smtp", *options],
        env=os.environ | {"DATABASE_URL": database()} | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def client(started: subprocess.Popen[str]) -> smtplib.SMTP:
    """A mail server that talks to it, as soon as it listens."""
    assert started.stdout is not None
    line = started.stdout.readline()
    assert line.startswith("inbound_smtp: listening on 127.0.0.1:"), started.communicate()
    port = int(line.rpartition(":")[2])
    return smtplib.SMTP("127.0.0.1", port, "mx.recipient.example", timeout=SECONDS)


@pytest.fixture
def sent(tenant: Tenant, provider: Provider, run: Any) -> Notification:
    provider.settings["return_domain"] = DOMAIN
    provider.save()
    [notification] = post(tenant)
    run()
    return notification


@pytest.fixture
def return_path(sent: Notification, simulator: Any) -> str:
    """As the mail server that took the mail knows it."""
    [mail] = simulator.messages()
    assert mail.sender.endswith(f"@{DOMAIN}")
    return str(mail.sender)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_bounce_by_mail(tenant, sent, return_path, number):
    with process("--port", "0") as started, client(started) as mx:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
            mx.sendmail("", [f"x{return_path[1:]}"], bounce())
        assert [reply[0] for reply in caught.value.recipients.values()] == [550]
        mx.sendmail("", [return_path.upper()], bounce())
        mx.sendmail("", [return_path], bounce())
        mx.sendmail("", [return_path], b"Subject: I am away\r\nAuto-Submitted: auto-replied\r\n")
        assert Receipt.objects.count() == 1, "250 means that it is kept, and once is enough"
        applied()
        api = caller(tenant)
        seen = api.get(f"/v1/notifications/{shown(sent)}").body
        assert (seen["status"], seen["reason"]) == ("bounced", "hard_bounce")
        [row] = api.get("/v1/suppressions").body["data"]
        assert row["reason"] == "hard_bounce"
        begun = time.monotonic()
        started.send_signal(number)
        _, log = started.communicate(timeout=SECONDS)
        assert time.monotonic() - begun < 5
        mx.close()
    assert started.returncode == 0
    for text in (ADA, return_path, return_path[2:20].lower()):
        assert text not in log
    assert log.count(": kept") == 2
    assert log.count(": no_report") == 1


def test_without_a_database_nothing_is_lost(sent, return_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = database(host="127.0.0.1", port=nobody.getsockname()[1])
    with process("--port", "0", DATABASE_URL=away) as started, client(started) as mx:
        for _ in range(2):
            with pytest.raises(smtplib.SMTPDataError) as caught:
                mx.sendmail("", [return_path], bounce())
            assert caught.value.smtp_code == 451
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            mx.sendmail("", ["postmaster@sender.example"], bounce())
        mx.sendmail("", [return_path], b"Subject: what is no report needs none\r\n")
    assert not Receipt.objects.exists()


def test_it_finds_its_database_again(sent, return_path):
    with process("--port", "0") as started, client(started) as mx:
        mx.sendmail("", [return_path], bounce())
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        for _ in range(8):
            mx.sendmail("", [return_path], bounce())
    assert Receipt.objects.count() == 1


def test_a_port_in_use_is_a_clear_message():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with process("--port", str(taken.getsockname()[1])) as started:
            _, said = started.communicate(timeout=SECONDS)
    assert started.returncode == 1
    assert "the server cannot start" in said
    assert "Traceback" not in said
