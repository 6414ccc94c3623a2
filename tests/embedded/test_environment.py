"""What the processes are told."""

from __future__ import annotations

import json

import pytest

from hiram.embedded.environment import PORTS, ROOT, adopt, environment, home_of, publish
from hiram.embedded.home import Home

FROM_THE_HOME = {
    *("HIRAM_HOME", "HIRAM_ENV", "HIRAM_SECRET_KEY", "HIRAM_ENCRYPTION_KEYS", "HIRAM_PUBLIC_URL"),
    *("HIRAM_PORT", "HIRAM_STREAM_PORT", "HIRAM_OPS_PORT", "DATABASE_URL", "REDIS_URL"),
    *("HIRAM_SIMULATOR_SMTP_PORT", "HIRAM_SIMULATOR_HTTP_PORT", "HIRAM_SIMULATOR_SMTP"),
    *("HIRAM_SIMULATOR_URL", "HIRAM_OPS_HOST", "CELERY_BROKER_URL", "PROMETHEUS_MULTIPROC_DIR"),
}


def test_with_nothing_given_everything_is_told_and_stays(tmp_path):
    told = environment(Home(tmp_path), {})

    assert set(told) == FROM_THE_HOME
    assert environment(Home(tmp_path), {}) == told
    assert told["HIRAM_ENV"] == "development"
    assert {name: told[name] for name in PORTS} == {
        "HIRAM_PORT": "3357",
        "HIRAM_STREAM_PORT": "3358",
        "HIRAM_OPS_PORT": "3359",
    }
    assert told["CELERY_BROKER_URL"] == told["REDIS_URL"]
    assert told["HIRAM_SIMULATOR_URL"] == f"http://127.0.0.1:{told['HIRAM_SIMULATOR_HTTP_PORT']}"


def test_what_is_given_is_not_told_again_and_leads_the_rest(tmp_path):
    given = {
        "HIRAM_PORT": "4000",
        "REDIS_URL": "redis://elsewhere/3",
        "DATABASE_URL_FILE": "/run/secrets/database",
        "HIRAM_SECRET_KEY": "",
        "HIRAM_ENV": "production",
    }

    told = environment(Home(tmp_path), given)

    assert not {"HIRAM_PORT", "REDIS_URL", "DATABASE_URL"} & set(told)
    assert told["HIRAM_PUBLIC_URL"] == "http://127.0.0.1:4000"
    assert told["CELERY_BROKER_URL"] == "redis://elsewhere/3"
    assert len(told["HIRAM_SECRET_KEY"]) == 64
    assert told["HIRAM_ENV"] == "development"


def test_the_home_is_var_unless_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert home_of({}).path == ROOT / "var"
    assert home_of({"HIRAM_HOME": ""}).path == ROOT / "var"
    assert home_of({"HIRAM_HOME": "here"}).path == tmp_path / "here"


def test_a_later_command_adopts_what_the_instance_was_told_but_not_what_is_given(tmp_path):
    home = {"HIRAM_HOME": str(tmp_path)}
    up = {**home, "PATH": "/bin", "OTHER": "x", "HIRAM_PORT": "4000"}
    adopt(up, "up")
    publish(Home(tmp_path), up)

    environ = {**home, "REDIS_URL": "redis://mine/0"}
    adopt(environ, "send")

    assert set(environ) == FROM_THE_HOME - {"PROMETHEUS_MULTIPROC_DIR"}
    assert environ["REDIS_URL"] == "redis://mine/0"
    assert environ["DATABASE_URL"] == up["DATABASE_URL"]
    assert environ["HIRAM_PORT"] == "4000"
    assert (tmp_path / "environment.json").stat().st_mode & 0o777 == 0o600
    assert "PATH" not in json.loads((tmp_path / "environment.json").read_text())


@pytest.mark.parametrize("command", ["send", "migrate", "web", ""])
def test_in_production_nothing_is_adopted(tmp_path, command):
    publish(Home(tmp_path), environment(Home(tmp_path), {}))
    environ = {"HIRAM_HOME": str(tmp_path), "HIRAM_ENV": "production"}

    adopt(environ, command)

    assert environ == {"HIRAM_HOME": str(tmp_path), "HIRAM_ENV": "production"}


def test_where_no_instance_was_nothing_is_adopted_or_made(tmp_path):
    environ = {"HIRAM_HOME": str(tmp_path / "none")}

    adopt(environ, "send")

    assert environ == {"HIRAM_HOME": str(tmp_path / "none")}
    assert not (tmp_path / "none").exists()


def test_down_always_has_settings(tmp_path):
    environ = {"HIRAM_HOME": str(tmp_path)}

    adopt(environ, "down")

    assert set(environ) == FROM_THE_HOME
