"""A vendor that reports what became of messages: in disorder, twice, and until it is answered 2xx.

What it says and how it signs is the simulator's Resend's; when and how often is decided here.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import requests

from delivery.simulator import callbacks
from delivery.simulator.mailbox import Received
from hiram.lib import ids
from tests.chaos.scene import RECOVERY_SECONDS, Scene
from tests.chaos.story import Story
from tests.embedded.waiting import until
from tests.street.reporting import SECRET, resend

CONNECTIONS = 6
TIMES = 2
ANSWER_SECONDS = 15
REST_SECONDS = 0.2

_OPEN = """
SELECT count(*) FROM notifications_attempt WHERE outcome = 'started' AND subject_id = ANY(%s)
"""


class Vendor:
    """Reports on what a tenant of its own has sent.

    `answers` counts what it was answered, 0 for nothing; `early` are messages on which it began
    to report while the call that brought them was open.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.tenant = scene.instance.tenant()
        self._url = resend(self.tenant)
        self._chance = random.Random(scene.chance.random())  # noqa: S311 - to be repeated
        self._lines = threading.local()
        self._lock = threading.Lock()
        self.answers: Counter[int] = Counter()
        self.early = 0

    def messages(self, subject: str) -> list[dict[str, Any]]:
        """What it has taken of this subject."""
        return self._scene.instance.mailbox.messages(subject=subject)

    @contextmanager
    def telling(self, stories: Mapping[str, Story], subject: str) -> Iterator[None]:
        """Meanwhile it tells each story as soon as it has the message; leaving waits for the last
        answer."""
        with ThreadPoolExecutor(CONNECTIONS + 1) as pool:
            watching = pool.submit(self._watch, pool, dict(stories), subject)
            yield
            watching.result()

    def _watch(self, pool: ThreadPoolExecutor, stories: dict[str, Story], subject: str) -> None:
        told: list[Future[None]] = []

        def all_came() -> bool:
            came = [mail for mail in self.messages(subject) if mail["key"] in stories]
            if came:
                keys = [ids.parse("ntf", mail["key"]) for mail in came]
                self.early += self._scene.value(_OPEN, keys)
            calls = [call for mail in came for call in self._calls(mail, stories)]
            self._chance.shuffle(calls)
            told.extend(pool.submit(self._tell, call) for call in calls)
            return not stories

        until(all_came, RECOVERY_SECONDS)
        for one in told:
            one.result()

    def _calls(self, mail: dict[str, Any], stories: dict[str, Story]) -> list[callbacks.Call]:
        story = stories.pop(mail["key"], None)
        if story is None:  # it has arrived twice
            return []
        asked = {"url": self._url, "secret": SECRET, "news": [*story.news], "times": TIMES}
        order = callbacks.Callbacks.model_validate(asked)
        said = {
            "from": mail["sender"],
            "to": mail["recipients"],
            "subject": mail["subject"],
            "headers": {"X-Metadata": json.dumps({"key": mail["key"]})},
        }
        message = Received(
            id=mail["id"],
            vendor="resend",
            key=mail["key"],
            sender=mail["sender"],
            recipients=tuple(mail["recipients"]),
            received_at=time.time(),
            raw=json.dumps(said).encode(),
        )
        call = callbacks.resend(order, message)
        return [call(news) for news in order.calls()]

    def _tell(self, call: callbacks.Call) -> None:
        limit = time.monotonic() + RECOVERY_SECONDS
        while not 200 <= (status := self._posted(call)) < 300:
            assert status in (0, 503), f"a receipt was answered {status}"
            assert time.monotonic() < limit, "a receipt was not taken in time"
            threading.Event().wait(REST_SECONDS)

    def _posted(self, call: callbacks.Call) -> int:
        line = getattr(self._lines, "line", None)
        if line is None:
            line = self._lines.line = requests.Session()
        try:
            status = int(
                line.post(
                    call.url, call.body, headers=dict(call.headers), timeout=ANSWER_SECONDS
                ).status_code
            )
        except requests.RequestException:
            status = 0
        with self._lock:
            self.answers[status] += 1
        return status
