"""Commands as processes: exit status, streams, and nothing of Python to be seen."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command

from tenants.models import Provider, Tenant
from tests.commands.running import CANARY, manage
from tests.tenancy import make_tenant

pytestmark = pytest.mark.django_db(transaction=True)

COMMANDS = (
    "create_tenant", "issue_key", "list_keys", "revoke_key", "set_provider", "send", "show",
    "rotate_encryption", "doctor", "demo",
)  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        call_command(name, "--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "--json" in text
    assert f"Example: manage.py {name}" in " ".join(text.split())
    assert "--pythonpath" not in text


def test_success() -> None:
    ran = manage("create_tenant", "Example", "--json")
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert json.loads(ran.stdout)["name"] == "Example"
    assert Tenant.objects.get().name == "Example"


def test_wrong_arguments_are_one_line_and_status_2() -> None:
    for words in (
        ("create_tenant",),
        ("create_tenant", "a", "b"),
        ("create_tenant", "a", "--mode", "x"),
        ("create_tenant", "a", "--mod", "live"),
        ("create_tenant", b"\xff".decode(errors="surrogateescape")),
    ):
        ran = manage(*words)
        assert (ran.returncode, ran.stdout) == (2, b""), words
        [line] = ran.stderr.decode().splitlines()
        assert line.startswith("manage.py create_tenant: ")
    assert Tenant.objects.count() == 0


def test_what_cannot_be_done_is_one_line_and_status_1() -> None:
    ran = manage("issue_key", "Nobody")
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert ran.stderr.decode() == "CommandError: There is no tenant 'Nobody'.\n"


def test_a_database_that_is_away_is_one_line_without_its_password() -> None:
    url = f"postgresql://hiram:{CANARY}@127.0.0.1:1/hiram"
    ran = manage("list_keys", DATABASE_URL=url)
    assert (ran.returncode, ran.stdout) == (1, b"")
    [line] = ran.stderr.decode().splitlines()
    assert line.startswith("CommandError: The database cannot be reached")
    assert CANARY not in line


def test_a_database_without_tables_says_what_to_do() -> None:
    ran = manage("list_keys", database="postgres")
    [line] = ran.stderr.decode().splitlines()
    assert (ran.returncode, "manage.py migrate" in line) == (1, True)


def test_a_bad_encryption_key_is_one_line() -> None:
    make_tenant("Example")
    ran = manage(
        "set_provider", "Example", "--driver", "smtp", "--set", "host=127.0.0.1",
        "--set", "from_email=a@b.example", "--set", "security=none",
        HIRAM_ENCRYPTION_KEYS=f"{CANARY}=",
    )  # fmt: skip
    [line] = ran.stderr.decode().splitlines()
    assert (ran.returncode, "HIRAM_ENCRYPTION_KEYS" in line) == (1, True)
    assert CANARY not in line
    assert Provider.objects.count() == 0


def test_doctor_without_anything() -> None:
    away = f"redis://:{CANARY}@127.0.0.1:1/0"
    ran = manage(
        "doctor", "--json", REDIS_URL=away, CELERY_BROKER_URL=away,
        DATABASE_URL=f"postgresql://hiram:{CANARY}@127.0.0.1:1/hiram",
    )  # fmt: skip
    assert ran.returncode == 1
    facts = json.loads(ran.stdout)
    states = {check["check"]: check["state"] for check in facts["checks"]}
    broken = {name for name, state in states.items() if state == "broken"}
    assert {"database", "redis", "broker"} <= broken
    assert not states.keys() & {"migrations", "clock", "credentials", "beat"}
    assert all(c["remedy"] for c in facts["checks"] if c["state"] == "broken")
    assert CANARY.encode() not in ran.stdout + ran.stderr
    assert b"Traceback" not in ran.stderr
