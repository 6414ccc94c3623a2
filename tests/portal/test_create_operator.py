"""`manage.py create_operator`."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from portal.management.commands.create_operator import VARIABLE
from tenants.models import Tenant, User
from tests.portal.conftest import PASSWORD


def _run(*args: str, **options: Any) -> str:
    said = StringIO()
    call_command("create_operator", *args, stdout=said, **options)
    return said.getvalue()


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\r\nanother line\n")
    return str(path)


def test_an_operator_is_made(db: None, password_file: str) -> None:
    said = _run("Op@Example.ORG", password_file=password_file, json=True, name="Olga")
    user = User.objects.get()
    shown = json.loads(said)
    assert shown["created"] is True
    assert shown["email"] == user.email == "Op@example.org"
    assert shown["id"].startswith("usr_")
    assert (user.is_operator, user.is_active, user.name) == (True, True, "Olga")
    assert user.check_password(PASSWORD)
    assert Tenant.objects.filter(is_system=True).count() == 1


def test_the_password_from_the_environment(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PASSWORD)
    said = _run("op@example.org")
    assert PASSWORD not in said
    assert "log in at /portal/" in said
    assert User.objects.get().check_password(PASSWORD)


def test_a_member_becomes_an_operator_and_keeps_his_password(db: None) -> None:
    User.objects.create_user("ada@example.org", PASSWORD, name="Ada", is_active=False)
    shown = json.loads(_run("ADA@example.org", json=True))
    user = User.objects.get()
    assert (shown["created"], user.is_operator, user.is_active, user.name) == (
        False, True, True, "Ada",
    )  # fmt: skip
    assert user.check_password(PASSWORD)


def test_a_new_password_replaces(db: None, password_file: str) -> None:
    User.objects.create_user("ada@example.org", "old password of ada")
    _run("ada@example.org", password_file=password_file)
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.parametrize("weak", ["", "short", "password", "12345678901", "op@example.org"])
def test_a_weak_password_makes_nobody(weak: str, db: None, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(weak)
    with pytest.raises(CommandError):
        _run("op@example.org", password_file=str(path))
    assert not User.objects.exists()


@pytest.mark.parametrize("address", ["nobody", "", "a b@example.org"])
def test_an_address_is_an_address(address: str, db: None, password_file: str) -> None:
    with pytest.raises(CommandError, match="is not an e-mail address"):
        _run(address, password_file=password_file)


def test_without_a_password_and_nobody_to_ask(db: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot read"):
        _run("op@example.org", password_file=str(tmp_path / "missing"))
    assert not User.objects.exists()
