"""Idempotency keys as a vendor keeps them: for a while, with the answer that was given."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

KEPT_SECONDS = 24 * 3_600
MAX_KEYS = 200_000


@dataclass(slots=True)
class Entry:
    """One key's request; `answer` is None while it is in progress. `at` is monotonic seconds."""

    fingerprint: str
    at: float
    answer: object = None


class Keys:
    """The keys of the last 24 hours (at most `MAX_KEYS`), by account and key."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, str], Entry] = OrderedDict()

    def find(self, account: str, key: str, *, at: float) -> Entry | None:
        """The entry of a key that is still kept."""
        entry = self._entries.get((account, key))
        return entry if entry is not None and at - entry.at < KEPT_SECONDS else None

    def start(self, account: str, key: str, fingerprint: str, *, at: float) -> Entry:
        """Record that a request is in progress; the oldest key makes room."""
        entry = Entry(fingerprint, at)
        self._entries.pop((account, key), None)
        self._entries[account, key] = entry
        if len(self._entries) > MAX_KEYS:
            self._entries.popitem(last=False)
        return entry

    def clear(self) -> None:
        """Forget every key."""
        self._entries.clear()


def fingerprint(canonical: bytes) -> str:
    """What two equal requests have in common."""
    return hashlib.sha256(canonical).hexdigest()
