"""`Prefer: wait=N` (RFC 7240): answer when the notification is settled, or when time is up."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db import connection

from notifications.states import OWED

WAIT_SECONDS = 30

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105
_WORD = rf'(?:{_TOKEN}|"(?:[^"\\]|\\.)*+")'
_PREFERENCE = re.compile(
    rf"\s*+(?P<name>{_TOKEN})(?:\s*+=\s*+(?P<value>{_WORD}))?+"
    rf"(?:\s*+;\s*+(?:{_TOKEN}(?:\s*+=\s*+{_WORD})?+)?+)*+\s*+(?:,|\Z)",
    re.ASCII,
)
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)

_SETTLED = """
SELECT count(*) FROM notifications_notification WHERE id = ANY(%s) AND status <> ALL(%s)
"""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25

_waiting = threading.BoundedSemaphore(settings.WEB_THREADS // 4)


def preferred_wait(header: str) -> int:
    """How many seconds the caller prefers to wait, 30 at most; 0 without a readable `wait`.

    Of a preference that is given twice the first counts (RFC 7240, section 2), and one that
    cannot be read is ignored.
    """
    place = 0
    while found := _PREFERENCE.match(header, place):
        if found["name"].lower() == "wait":
            text = (found["value"] or "").strip('"')
            return min(int(text), WAIT_SECONDS) if _SECONDS.fullmatch(text) else 0
        place = found.end()
        if place == len(header):
            break
    return 0


def wait_for(found: Sequence[UUID], seconds: float) -> bool | None:
    """Wait until these notifications are settled; whether they are, None when nobody can wait now.

    At most a quarter of this process's threads wait; the next one is answered at once.
    """
    if not _waiting.acquire(blocking=False):
        return None
    try:
        return _wait(found, seconds)
    finally:
        _waiting.release()


def _wait(found: Sequence[UUID], seconds: float) -> bool:
    until, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while not _are_settled(found):
        left = until - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return True


def _are_settled(found: Sequence[UUID]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_SETTLED, [list(found), sorted(OWED)])
        (settled,) = cursor.fetchone()
    return bool(settled == len(found))
