"""Customers under load: they post, repeat what was not answered, and keep a journal."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import requests

from tests.street.tenant import Tenant

CLIENTS = 8
BATCH_EVERY, BATCH = 40, 20
"""Every so many requests one is a batch of so many."""

ANSWER_SECONDS, PATIENCE_SECONDS = 15, 120
REST_SECONDS = 0.1


@dataclass
class Posted:
    """One request that was answered 202: what was asked and what was promised."""

    tenant: Tenant
    path: str
    key: str
    body: dict[str, Any]
    ids: list[str]
    tries: int

    @property
    def recipients(self) -> list[str]:
        """Each is asked for once in the whole run."""
        letters = self.body.get("notifications") or [self.body]
        return [letter["recipient"] for letter in letters]

    def again(self, session: requests.Session) -> requests.Response:
        """The same request once more."""
        return send(session, self.tenant, self.path, self.key, self.body)


@dataclass
class Load:
    """A context manager: inside, clients post `per_second` notifications, all together.

    They stop when they posted `count` and were told to `stop`; leaving waits for their last
    answers. `journal` is theirs until then.
    """

    tenants: Sequence[Tenant]
    count: int
    per_second: float
    journal: list[Posted] = field(default_factory=list)
    troubles: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._numbers = itertools.count()
        self._asked = 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._post_all) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if error is not None:
            self.count = 0
        for thread in self._threads:
            thread.join()

    def _post_all(self) -> None:
        with requests.Session() as session:
            while not (self._stop.is_set() and self._asked >= self.count):
                number, due = self._next()
                self._stop.wait(max(0.0, due - time.monotonic()))
                try:
                    self._post(session, number)
                except Exception as error:
                    self.defects.append(f"request {number}: {error!r}")
                    return

    def _next(self) -> tuple[int, float]:
        """The number of the next request, and when it is to be sent."""
        with self._lock:
            number = next(self._numbers)
            due = self._began + self._asked / self.per_second
            self._asked += BATCH if number % BATCH_EVERY == 0 else 1
            return number, due

    def _post(self, session: requests.Session, number: int) -> None:
        tenant = self.tenants[number % len(self.tenants)]
        path, body = "/v1/notifications", tenant.letter(f"n{number}")
        if number % BATCH_EVERY == 0:
            path += "/batch"
            body = {"notifications": [tenant.letter(f"n{number}-{n}") for n in range(BATCH)]}
        posted = Posted(tenant, path, f"request {number}", body, [], 0)
        until = time.monotonic() + PATIENCE_SECONDS
        while not posted.ids:
            assert time.monotonic() < until, f"not accepted in {PATIENCE_SECONDS} s"
            posted.tries += 1
            self._try(session, posted)
        self.journal.append(posted)

    def _try(self, session: requests.Session, posted: Posted) -> None:
        try:
            answer = posted.again(session)
        except requests.RequestException as error:
            self.troubles[type(error).__name__] += 1
        else:
            if answer.status_code == 202:
                posted.ids = made(answer)
                return
            self.troubles[f"{answer.status_code} {answer.json()['code']}"] += 1
            if answer.status_code not in (409, 503):
                self.defects.append(f"{posted.key}: {answer.status_code} {answer.text}")
        self._stop.wait(REST_SECONDS)


def send(
    session: requests.Session, tenant: Tenant, path: str, key: str, body: dict[str, Any]
) -> requests.Response:
    """One request with an Idempotency-Key."""
    return session.post(
        f"{tenant.instance.url}{path}",
        data=json.dumps(body),
        headers={
            "X-Api-Key": tenant.key,
            "Idempotency-Key": key,
            "Content-Type": "application/json",
        },
        timeout=ANSWER_SECONDS,
    )


def made(answer: requests.Response) -> list[str]:
    """The ids of what a 202 accepted."""
    body = answer.json()
    return [item["id"] for item in body["data"]] if "data" in body else [body["id"]]
