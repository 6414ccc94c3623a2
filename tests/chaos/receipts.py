"""Receipts: in a storm, through kills of those who take and apply them, and such as never come."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from hiram.lib import ids
from tests.chaos.load import Posted
from tests.chaos.scene import RECOVERY_SECONDS, Scene
from tests.chaos.story import ARRIVES, STORIES, Story
from tests.chaos.vendor import Vendor
from tests.embedded.waiting import lives, until
from tests.street.processes import frozen

STORM = 60
"""Messages, of each of which four to six receipts come."""

KILLED_AFTER = 50
"""Receipts that are taken before each kill."""

SLOW_SECONDS, SLOWER_SECONDS = 1.5, 4
"""How long the vendor's answers take; less than a call may (`CALL_SECONDS` of the test)."""

TAKEN = 8
QUIET, CUTS = 12, 2
IN_ORDER = 3

_STATES = """
SELECT coalesce(jsonb_object_agg(id, concat_ws(' ', status, reason)), '{}')
  FROM notifications_notification WHERE id = ANY(%s)
"""
_WAITING = "SELECT count(*) FROM delivery_receipt WHERE applied_at IS NULL"
# Of the process that has most of these calls open, if any.
_CALLER = """
SELECT coalesce((
  SELECT split_part(worker, ':', 2)::int FROM notifications_attempt
   WHERE outcome = 'started' AND subject_id = ANY(%s) GROUP BY 1 ORDER BY count(*) DESC LIMIT 1), 0)
"""
_CALLED_AGAIN = """
SELECT count(*) FROM notifications_attempt a
 WHERE subject_id = ANY(%s) AND started_at > (
   SELECT min(applied_at) FROM delivery_receipt r WHERE r.notification_id = a.subject_id)
"""
_IN_DOUBT = """
SELECT count(DISTINCT subject_id) FROM notifications_attempt
 WHERE outcome IN ('unknown', 'abandoned') AND subject_id = ANY(%s)
"""


class Receipts:
    """Each answers how many calls it can have cut off from their record."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._vendor = Vendor(scene)
        self._numbers = itertools.count()
        self.kinds: dict[str, Callable[[], int]] = {
            "a storm of receipts": self._storm,
            "kill -9 relay and web in a storm": self._kill_in_storm,
            "kill -9 who was told by receipts": self._kill_told,
            "receipts that never come": self._never,
        }

    def _storm(self) -> int:
        """Doubled, shuffled, and some of them before our own call has its answer."""
        early = self._vendor.early
        with self._stormy():
            pass
        assert self._vendor.early > early, "no receipt came before the answer: nothing was tried"
        return 0

    def _kill_in_storm(self) -> int:
        """First the one who applies them and then the ones who take them, or the other way."""
        with self._stormy():
            for name in self._scene.chance.sample(("relay", "web"), 2):
                self._taken(self._vendor.answers[200] + KILLED_AFTER)
                self._scene.kill(name)
        return 0

    def _taken(self, enough: int) -> None:
        until(lambda: self._vendor.answers[200] >= enough, RECOVERY_SECONDS)

    def _kill_told(self) -> int:
        """Its calls were taken and reported on, and it never wrote down an answer.

        Once it dies when a receipt is in force, once as soon as it is answered.
        """
        return self._die_calling(lambda taken, _: "delivered" in self._states(taken).values()) + (
            self._die_calling(lambda _, answered: self._vendor.answers[200] > answered)
        )

    def _never(self) -> int:
        """Half of them are never heard of again; some of their answers are lost besides."""
        scene, subject = self._scene, self._subject()
        cut = {"target": "resend", "kind": "cut_after_accept", "times": CUTS}
        mailbox = scene.instance.mailbox
        with mailbox.ordered(**cut, match=self._match) as order:
            posted = self._post(QUIET, subject)
            until(lambda: mailbox.applied(order) == CUTS, RECOVERY_SECONDS)
        told = scene.chance.sample(posted.ids, QUIET // 2)
        self._told(dict.fromkeys(told, ARRIVES), subject)
        quiet = [key for key in posted.ids if key not in told]
        until(lambda: self._sent(quiet), RECOVERY_SECONDS)
        # No one waits for a receipt, nor those that wait for each other.
        in_order = self._post(IN_ORDER, subject, ordering_key=subject).ids
        until(lambda: {*self._states(in_order).values()} == {"sent"}, RECOVERY_SECONDS)
        return CUTS

    @contextmanager
    def _stormy(self) -> Iterator[None]:
        """Meanwhile messages leave, and all is reported of each; leaving waits until all of it is
        in force."""
        chance, subject = self._scene.chance, self._subject()
        with self._slow(SLOW_SECONDS, probability=0.5, seed=chance.randrange(10**6)):
            posted = self._post(STORM, subject)
            stories = {key: chance.choice(STORIES) for key in posted.ids}
            self._scene.stories |= stories
            with self._vendor.telling(stories, subject):
                yield
        until(lambda: self._ended(stories), RECOVERY_SECONDS)

    def _told(self, stories: Mapping[str, Story], subject: str) -> None:
        self._scene.stories |= stories
        with self._vendor.telling(stories, subject):
            pass
        until(lambda: self._ended(stories), RECOVERY_SECONDS)

    def _die_calling(self, comes: Callable[[Sequence[str], int], bool]) -> int:
        """Kill who calls the vendor, once that `comes` of what it has taken; calls cut off."""
        scene, subject = self._scene, self._subject()
        with self._slow(SLOWER_SECONDS):
            self._post(TAKEN, subject)
            victim = until(lambda: self._caller(subject), RECOVERY_SECONDS)
            with frozen(victim):
                answered = self._vendor.answers[200]
                in_flight = scene.open_calls([victim])
                # What it had not called with yet goes out when the time of a lost answer is over.
                taken = [mail["key"] for mail in self._vendor.messages(subject)]
                stories = dict.fromkeys(taken, ARRIVES)
                scene.stories |= stories
                with self._vendor.telling(stories, subject):
                    until(lambda: comes(taken, answered), RECOVERY_SECONDS)
                    os.kill(victim, signal.SIGKILL)
                    until(lambda: not lives(victim), RECOVERY_SECONDS)
        until(lambda: self._ended(stories), RECOVERY_SECONDS)
        again = scene.value(_CALLED_AGAIN, _keys(taken))
        assert again == 0, "called again, though it was known to be there"
        return in_flight

    def _caller(self, subject: str) -> int:
        """A process that has called with these and has no answer yet; 0 if there is none."""
        taken = [mail["key"] for mail in self._vendor.messages(subject)]
        return int(self._scene.value(_CALLER, _keys(taken)))

    def _sent(self, keys: Sequence[str]) -> bool:
        """Whether these are, but for those whose answer was lost."""
        states = [*self._states(keys).values()]
        in_doubt = int(self._scene.value(_IN_DOUBT, _keys(keys)))
        return states.count("sent") >= len(keys) - in_doubt

    def _ended(self, stories: Mapping[str, Story]) -> bool:
        """Whether each is as its story says, and nothing of it is still to be applied."""
        ends = {key: story.end for key, story in stories.items()}
        waiting = int(self._scene.value(_WAITING))
        return self._states([*stories]) == ends and waiting == 0

    def _states(self, keys: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = self._scene.value(_STATES, _keys(keys))
        return {ids.show("ntf", UUID(key)): state for key, state in found.items()}

    def _subject(self) -> str:
        return f"Report {next(self._numbers)}."

    def _post(self, count: int, subject: str, **fields: Any) -> Posted:
        batch = self._scene.batch(count, self._vendor.tenant, subject=subject, **fields)
        return self._scene.accepted(batch)

    @property
    def _match(self) -> dict[str, str]:
        return {"recipient": self._vendor.tenant.to("*")}

    @contextmanager
    def _slow(self, seconds: float, **fields: Any) -> Iterator[None]:
        """Meanwhile the vendor takes its time to answer."""
        slow = {"target": "resend", "kind": "slow", "seconds": seconds, "match": self._match}
        with self._scene.instance.mailbox.ordered(**slow, **fields):
            yield


def _keys(shown: Sequence[str]) -> list[UUID]:
    return [ids.parse("ntf", key) for key in shown]
