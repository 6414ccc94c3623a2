"""Start a process that cannot outlive us, if need be as somebody else."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hiram.embedded.home import Unavailable

_TRAMPOLINE = Path(__file__).with_name("trampoline.py")
_CAP_DAC_OVERRIDE = 1


@dataclass(frozen=True, slots=True)
class Account:
    """The user that a server runs as when we are root."""

    uid: int
    gid: int
    passing: bool = False  # may enter folders that are closed to it

    def able_to_reach(self, *paths: Path) -> Account:
        """This account, allowed to enter the folders above the paths where they are closed to it.

        Raises:
            Unavailable: they are closed, and this root has no power to lend.
        """
        closed = next(
            (p for path in paths for p in path.resolve().parents if not self._enters(p)), None
        )
        if closed is None:
            return self
        if not _has_dac_override():
            raise Unavailable(
                f"PostgreSQL does not run as root, and its user (uid {self.uid}) cannot enter"
                f" {closed}. Run as an ordinary user, or keep the program and HIRAM_HOME in"
                " folders that every user may enter."
            )
        return Account(self.uid, self.gid, passing=True)

    def _enters(self, folder: Path) -> bool:
        facts = folder.stat()
        if facts.st_uid == self.uid:
            return bool(facts.st_mode & 0o100)
        return bool(facts.st_mode & (0o010 if facts.st_gid == self.gid else 0o001))


def _has_dac_override() -> bool:
    status = Path("/proc/self/status")
    if not status.exists():
        return False
    words = status.read_text().split()
    return bool(int(words[words.index("CapEff:") + 1], 16) & 1 << _CAP_DAC_OVERRIDE)


def unprivileged(data: Path) -> Account | None:
    """Who runs a server that refuses root: None unless we are root.

    The owner of the data if there are some, else the user `postgres` or `nobody`, else any other:
    initdb wants one that has a name.

    Raises:
        Unavailable: this machine has no user but root.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and (facts := data.stat()).st_uid != 0:
        return Account(facts.st_uid, facts.st_gid)
    users = {user.pw_name: user for user in pwd.getpwall() if user.pw_uid != 0}
    for user in (users.get("postgres"), users.get("nobody"), *users.values()):
        if user:
            return Account(user.pw_uid, user.pw_gid)
    raise Unavailable("PostgreSQL does not run as root, and there is no other user: make one")


def launch(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    output: int | IO[bytes] = subprocess.DEVNULL,
    account: Account | None = None,
    death: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start the command in a session of its own, standard input closed, both outputs to `output`.

    On Linux the kernel sends it `death` when the calling thread ends, however it ends.
    """
    user = account or Account(-1, -1)
    start = [sys.executable, "-I", "-S", str(_TRAMPOLINE), str(os.getpid()), str(int(death))]
    become = [str(user.uid), str(user.gid), str(int(user.passing))]
    return subprocess.Popen(  # noqa: S603
        [*start, *become, shutil.which(argv[0]) or argv[0], *argv[1:]],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
