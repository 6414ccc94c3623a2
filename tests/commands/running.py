"""Running commands, in this process and as their own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg.conninfo import make_conninfo

CANARY = "canary-Zr8q3WkX"
MANAGE = Path(__file__).resolve().parent.parent.parent / "manage.py"


def said(name: str, *words: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    call_command(name, *words, stdout=out, stderr=err)
    assert err.getvalue() == ""
    return out.getvalue()


def done(name: str, *words: str) -> dict[str, Any]:
    return dict(json.loads(said(name, *words, "--json")))


def failed(name: str, *words: str) -> dict[str, Any]:
    """The facts of a command that ends with status 1."""
    out = io.StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command(name, *words, "--json", stdout=out)
    assert caught.value.code == 1
    return dict(json.loads(out.getvalue()))


def refused(name: str, *words: str) -> str:
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command(name, *words, stdout=out)
    assert out.getvalue() == ""
    text = str(caught.value)
    assert text
    assert "\n" not in text
    return text


def manage(*words: str, database: str = "", **environ: str) -> subprocess.CompletedProcess[bytes]:
    """The command as a process, on this test's database or another."""
    known = connection.settings_dict
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    place = {name: str(known[key]) for name, key in names.items() if known[key]}
    url = make_conninfo(dbname=database or str(known["NAME"]), **place)
    return subprocess.run(
        [sys.executable, str(MANAGE), *words],
        env=os.environ | {"DATABASE_URL": url} | environ,
        capture_output=True,
        timeout=60,
        check=False,
    )
