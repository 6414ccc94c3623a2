"""The simulator, over its own API: what arrived, and faults to order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import requests

SECONDS = 30
PAGE = 500


@dataclass(frozen=True)
class Mailbox:
    """The simulator at this address."""

    url: str

    def messages(self, **wanted: str) -> list[dict[str, Any]]:
        """All messages that match, newest first."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = self._get("/messages", limit=str(PAGE), **wanted, **cursor).json()
            found += page["data"]
            if not page["has_more"]:
                return found
            cursor = {"cursor": page["next_cursor"]}

    def message(self, received: str) -> dict[str, Any]:
        """One message with its content."""
        return dict(self._get(f"/messages/{received}").json())

    def arrivals(self) -> list[dict[str, Any]]:
        """Every arrival, one for each recipient, oldest first."""
        return [json.loads(line) for line in self._get("/arrivals").text.splitlines()]

    @contextmanager
    def ordered(self, **order: Any) -> Iterator[str]:
        """Inside, the fault is in force; its id."""
        answer = requests.post(f"{self.url}/faults", json=order, timeout=SECONDS)
        assert answer.status_code == 201, answer.text
        try:
            yield str(answer.json()["id"])
        finally:
            # A simulator that was killed meanwhile has forgotten it.
            with suppress(requests.ConnectionError):
                requests.delete(f"{self.url}/faults/{answer.json()['id']}", timeout=SECONDS)

    def applied(self, order: str) -> int:
        """How often an ordered fault has happened."""
        [fault] = [one for one in self._get("/faults").json()["data"] if one["id"] == order]
        return int(fault["applied"])

    def called_back(self) -> list[int]:
        """How callbacks were answered, oldest first."""
        return list(self._get("/callbacks").json()["answers"])

    def _get(self, path: str, **query: str) -> requests.Response:
        answer = requests.get(f"{self.url}{path}", params=query, timeout=SECONDS)
        assert answer.status_code == 200, answer.text
        return answer
