"""Become another user, promise to die with the parent, then become the command: same pid.

A script of its own, which imports nothing of ours, because code between fork and exec is not safe
in a parent with threads. Arguments: parent's pid, signal to die by, uid, gid (-1: stay who we
are), 1 to pass closed folders or 0, the command with its full path.
"""

from __future__ import annotations

import ctypes
import os
import sys

# linux/prctl.h, linux/securebits.h and linux/capability.h
_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS, _NO_SETUID_FIXUP = 1, 28, 4
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAP_DAC_OVERRIDE, _CAPABILITY_VERSION_3 = 1, 0x20080522


def become(uid: int, gid: int, *, passing: bool) -> None:
    """Drop root; `passing` keeps the one capability that opens folders closed to the user."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Without this the capabilities go with root, and access(2), by which PostgreSQL looks for its
    # own parts, ignores them.
    if passing and libc.prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0):
        sys.exit(f"cannot keep capabilities: {os.strerror(ctypes.get_errno())}")
    os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)
    if not passing:
        return
    bits = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable: the low 32 capabilities, then the high ones.
    wanted = (ctypes.c_uint32 * 6)(bits, bits, bits, 0, 0, 0)
    if libc.capset(header, wanted) or libc.prctl(
        _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0
    ):
        sys.exit(f"cannot keep CAP_DAC_OVERRIDE: {os.strerror(ctypes.get_errno())}")


def main() -> None:
    """Run the command; does not return."""
    parent, signal, uid, gid, passing = (int(word) for word in sys.argv[1:6])
    if uid >= 0:
        become(uid, gid, passing=bool(passing))
    if sys.platform == "linux":
        # After the change of user, which clears it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")
    # Not execvp: it imports a module, which the user may not be able to reach.
    os.execv(sys.argv[6], sys.argv[6:])  # noqa: S606


main()
