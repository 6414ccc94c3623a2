"""The embedded PostgreSQL: starts anywhere, loses nothing, lets nobody in."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from hiram.embedded.binaries import find_postgres
from hiram.embedded.home import Unavailable
from hiram.embedded.launch import Account, launch, unprivileged
from hiram.embedded.postgres import Postgres
from tests.embedded.waiting import lives, until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has powers to drop")


def _write(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url) as db:
        db.execute("CREATE TABLE IF NOT EXISTS kept (number integer)")
        db.execute("INSERT INTO kept VALUES (1)")


def _count(postgres: Postgres) -> int:
    with psycopg.connect(postgres.url) as db:
        row = db.execute("SELECT count(*) FROM kept").fetchone()
    return int(row[0]) if row else -1


def _kill(postgres: Postgres) -> int:
    pid = postgres.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: postgres.pid is None)
    return pid


def test_it_is_durable_and_set_for_many_small_transactions(tmp_path, keep):
    postgres = keep(Postgres(tmp_path, max_connections=57))
    postgres.start()

    with psycopg.connect(postgres.url) as db:
        shown = {
            name: db.execute("SELECT current_setting(%s)", [name]).fetchone()
            for name in (
                *("fsync", "full_page_writes", "synchronous_commit", "data_checksums"),
                *("max_connections", "autovacuum_naptime", "server_encoding", "timezone"),
                *("idle_in_transaction_session_timeout", "shared_buffers"),
            )
        }

    assert shown == {
        "fsync": ("on",),
        "full_page_writes": ("on",),
        "synchronous_commit": ("on",),
        "data_checksums": ("on",),
        "max_connections": ("57",),
        "autovacuum_naptime": ("5s",),
        "server_encoding": ("UTF8",),
        "timezone": ("UTC",),
        "idle_in_transaction_session_timeout": ("1min",),
        "shared_buffers": ("256MB",),
    }


def test_a_throw_away_one_differs_by_fsync_only(postgres):
    postgres.start()

    with psycopg.connect(postgres.url) as db:
        assert db.execute("SHOW fsync").fetchone() == ("off",)
        assert db.execute("SHOW full_page_writes").fetchone() == ("on",)
        assert db.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_the_second_start_has_the_data_password_and_address_of_the_first(postgres, tmp_path, keep):
    postgres.start()
    _write(postgres)
    url = postgres.url
    postgres.stop()

    again = keep(Postgres(tmp_path, durable=False))
    again.start()

    assert again.url == url
    assert _count(again) == 1


def test_stop_leaves_no_process_and_no_pid_file(postgres, tmp_path):
    postgres.start()
    pid = postgres.pid
    assert (tmp_path / "run" / "postgres.pid").read_text() == f"{pid}\n"

    postgres.stop()

    assert not lives(pid)
    assert postgres.pid is None
    assert not (tmp_path / "run" / "postgres.pid").exists()
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


@pytest.mark.parametrize("place", ["socket", "tcp"])
def test_nobody_enters_without_the_password(postgres, tmp_path, place):
    postgres.start()
    host = str(tmp_path / "run" / "postgres") if place == "socket" else "127.0.0.1"
    address = {"host": host, "port": postgres.port, "user": "hiram", "dbname": "hiram"}

    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(**address)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**address, password="hiram")
    psycopg.connect(**address, password=postgres.home.secret("postgres")).close()


def test_the_password_is_on_no_command_line(postgres):
    postgres.start()

    assert (
        postgres.home.secret("postgres") not in Path(f"/proc/{postgres.pid}/cmdline").read_text()
    )


def test_the_socket_is_preferred_and_others_cannot_reach_it(postgres, tmp_path):
    postgres.start()

    assert postgres.url.endswith(f"?host={tmp_path}/run/postgres&port={postgres.port}")
    assert (tmp_path / "run" / "postgres").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "postgres").stat().st_mode & 0o777 == 0o700


def test_a_path_too_long_for_a_socket_means_tcp(tmp_path, keep):
    postgres = keep(Postgres(tmp_path / ("long" * 25), durable=False))
    postgres.start()

    assert postgres.url.endswith(f"@127.0.0.1:{postgres.port}/hiram")
    _write(postgres)
    assert _count(postgres) == 1


@pytest.mark.parametrize("name", ["a %20 b", "a,b", "a\"b'c", "\N{SNOWMAN}"])
def test_a_folder_with_an_odd_name(tmp_path, keep, name):
    postgres = keep(Postgres(tmp_path / name, durable=False))
    postgres.start()
    _write(postgres)
    assert _count(postgres) == 1


def test_after_kill_9_it_starts_on_the_same_data(postgres):
    postgres.start()
    _write(postgres)
    _kill(postgres)

    postgres.start()

    assert _count(postgres) == 1


def test_after_kill_9_while_a_client_keeps_a_backend_busy(postgres):
    postgres.start()
    _write(postgres)
    client = psycopg.connect(postgres.url)
    backend = client.info.backend_pid
    os.kill(backend, signal.SIGSTOP)  # it cannot notice that its postmaster is gone
    _kill(postgres)
    assert lives(backend)

    postgres.start()

    assert not lives(backend)
    assert _count(postgres) == 1
    client.close()


def test_an_orphaned_server_on_our_data_is_ended_first(postgres, tmp_path, keep):
    postgres.start()
    _write(postgres)
    orphan = postgres.pid

    again = keep(Postgres(tmp_path, durable=False))
    again.start()

    assert not lives(orphan)
    assert _count(again) == 1
    assert again.port == postgres.port


def test_a_pid_file_whose_pid_is_now_another_process_of_its_user(postgres, tmp_path):
    postgres.start()
    _write(postgres)
    _kill(postgres)
    account = unprivileged(tmp_path / "postgres")
    stranger = launch(["sleep", "1000"], account=account)
    pidfile = tmp_path / "postgres" / "postmaster.pid"
    _, *rest = pidfile.read_text().splitlines()
    pidfile.write_text("\n".join([str(stranger.pid), *rest, ""]))

    postgres.start()

    assert _count(postgres) == 1
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


@pytest.mark.parametrize("text", ["", "x\n", "0\n", "-1\n", "99999999\n"])
def test_a_broken_pid_file(postgres, tmp_path, text):
    postgres.start()
    _write(postgres)
    _kill(postgres)
    (tmp_path / "postgres" / "postmaster.pid").write_text(text)

    postgres.start()

    assert _count(postgres) == 1


def test_a_crash_while_the_data_folder_was_made(postgres, tmp_path):
    (tmp_path / "postgres.new" / "base").mkdir(parents=True)
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")

    postgres.start()

    _write(postgres)
    assert _count(postgres) == 1
    assert not (tmp_path / "postgres.new").exists()


def test_data_of_a_version_that_is_not_here(postgres, tmp_path):
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("9\n")

    with pytest.raises(Unavailable, match="PostgreSQL 9, which made the data, is not on this"):
        postgres.start()


def test_a_server_that_cannot_start_says_why(postgres, tmp_path):
    postgres.start()
    postgres.stop()
    (tmp_path / "postgres" / "global" / "pg_control").unlink()

    with pytest.raises(Unavailable, match="pg_control"):
        postgres.start()
    assert postgres.pid is None


@as_root
def test_root_runs_it_as_somebody_without_powers(keep):
    folders = [Path(tempfile.gettempdir()), *(find_postgres()[0] / "postgres").parents]
    if any(not folder.stat().st_mode & 0o001 for folder in folders):
        pytest.skip("the program or the temporary folder is closed to others")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        postgres = keep(Postgres(Path(name) / "var", durable=False))
        postgres.start()
        assert _facts(postgres) == ("0000000000000000", _owner(postgres))
        postgres.stop()


@as_root
def test_root_lends_only_the_power_to_enter_when_a_folder_is_closed(tmp_path, keep):
    (tmp_path / "closed").mkdir(mode=0o700)
    postgres = keep(Postgres(tmp_path / "closed" / "var", durable=False))
    postgres.start()

    assert _facts(postgres) == ("0000000000000002", _owner(postgres))
    assert (tmp_path / "closed").stat().st_mode & 0o777 == 0o700


@as_root
@pytest.mark.parametrize("passing", [False, True])
def test_a_program_in_a_closed_folder_runs_and_finds_its_parts(tmp_path, passing):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "part").write_text("x")
    (closed / "look").write_text('#!/bin/sh\n[ -r "$0" ] && cat "${0%/*}/part" && id -u\n')
    (closed / "look").chmod(0o755)
    nobody = pwd.getpwnam("nobody").pw_uid
    account = Account(nobody, nobody, passing=passing)

    process = launch([str(closed / "look")], output=subprocess.PIPE, account=account)
    said, _ = process.communicate(timeout=30)

    assert (process.returncode == 0) is passing
    assert (said == f"x{nobody}\n".encode()) is passing


def _owner(postgres: Postgres) -> int:
    owner = postgres.data.stat().st_uid
    assert owner != 0
    return owner


def _facts(postgres: Postgres) -> tuple[str, int]:
    words = Path(f"/proc/{postgres.pid}/status").read_text().split()
    return words[words.index("CapEff:") + 1], int(words[words.index("Uid:") + 2])


@as_root
def test_an_ordinary_user_owns_all_of_it(tmp_path):
    script = (
        "import os, sys; from pathlib import Path; from hiram.embedded.postgres import Postgres\n"
        "p = Postgres(Path(sys.argv[1]), durable=False); p.start()\n"
        "print(os.geteuid(), p.account, p.data.stat().st_uid, p.home.path.stat().st_mode & 0o777)\n"
        "p.stop()"
    )
    home = tmp_path / "var"
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(tmp_path, nobody, nobody)
    # The interpreter itself may be in a folder closed to others.
    user = Account(nobody, nobody, passing=True)
    process = launch(
        [sys.executable, "-c", script, str(home)],
        env={"PYTHONPATH": str(Path.cwd()), "PATH": os.environ["PATH"]},
        output=subprocess.PIPE,
        account=user,
    )
    said, _ = process.communicate(timeout=60)

    assert said.decode() == f"{nobody} None {nobody} 448\n"


def test_the_newest_known_version_is_taken():
    folder, major = find_postgres()

    assert major >= 15
    assert (folder / "postgres").exists()


def test_a_version_that_nobody_has_is_an_error_with_the_remedy():
    with pytest.raises(Unavailable, match="docker compose up"):
        find_postgres(99)
