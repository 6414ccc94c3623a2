"""A full disk: two tables of the engine live on a small file system, which is filled."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.chaos.scene import Scene, pass_by
from tests.street.processes import frozen

OCTETS = 96 * 1024 * 1024
FULL_SECONDS = 3
TABLES = ("notifications_event", "notifications_attempt")
"""Accept writes to the first, a call is begun and settled in the second."""

MOUNT, UMOUNT = shutil.which("mount"), shutil.which("umount")


def can_mount(folder: Path) -> bool:
    """Whether we may mount a file system of our own."""
    if os.geteuid() != 0 or not MOUNT or not UMOUNT:
        return False
    folder.mkdir(exist_ok=True)
    words = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run([MOUNT, *words], capture_output=True, check=False).returncode:
        return False
    subprocess.run([UMOUNT, str(folder)], check=True)
    return True


class Disk:
    """Answers how many calls it can have cut off from their record."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._folder = scene.instance.home.path / "tight"
        self.kinds: dict[str, Callable[[], int]] = (
            {"a full disk": self._fill} if can_mount(self._folder) else {}
        )

    def _fill(self) -> int:
        scene = self._scene
        with self._mounted(), self._tables_there():
            filler = self._folder / "filler"
            try:
                _fill_up(filler)
                refused = scene.refused()
                pass_by(FULL_SECONDS)
                workers = scene.family("worker")
                with frozen(*workers):
                    in_flight = scene.open_calls(workers)
            finally:
                filler.unlink()
            scene.passes(refused)
        return in_flight

    @contextmanager
    def _mounted(self) -> Iterator[None]:
        words = ["-t", "tmpfs", "-o", f"size={OCTETS}", "tmpfs", str(self._folder)]
        subprocess.run([str(MOUNT), *words], check=True)
        try:
            yield
        finally:
            subprocess.run([str(UMOUNT), str(self._folder)], check=True)

    @contextmanager
    def _tables_there(self) -> Iterator[None]:
        place = self._folder / "data"
        place.mkdir()
        owner = (self._scene.instance.home.path / "postgres").stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        self._run(f"CREATE TABLESPACE tight LOCATION '{place}'")
        self._move("tight")
        try:
            yield
        finally:
            self._move("pg_default")
            # So that no recovery after this looks for a place that is gone.
            self._run("DROP TABLESPACE tight", "CHECKPOINT")

    def _move(self, tablespace: str) -> None:
        self._run(*(f"ALTER TABLE {table} SET TABLESPACE {tablespace}" for table in TABLES))

    def _run(self, *statements: str) -> None:
        with self._scene.instance.database() as database:
            for statement in statements:
                database.execute(statement)


def _fill_up(file: Path) -> None:
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(64 * 1024)):
            pass
    assert shutil.disk_usage(file.parent).free == 0
