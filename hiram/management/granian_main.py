"""Granian, bound to live no longer than its parent, and its workers no longer than itself.

Its workers are forked, from a process that has loaded what they serve, so that they start at once
and share its memory. They would go on serving when it is killed; the kernel (Linux) ends them.
"""

from __future__ import annotations

import ctypes
import importlib
import multiprocessing
import os
import signal
import sys

from django.urls import get_resolver
from granian.cli import entrypoint

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _die_with_parent(signum: signal.Signals) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)


if __name__ == "__main__":
    _die_with_parent(signal.SIGTERM)
    os.register_at_fork(after_in_child=lambda: _die_with_parent(signal.SIGKILL))
    if sys.platform == "linux":
        multiprocessing.set_start_method("fork")
        importlib.import_module("hiram.rsgi")
        _ = get_resolver().url_patterns  # which loads them
    entrypoint()  # type: ignore[no-untyped-call]
