"""What is held: released or dropped, one by one or by filter. It is listed by its status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from hiram.lib import ids
from hiram.lib.pagination import read_parameters
from hiram.lib.problems import Problem
from hiram.lib.rest import answer, read_json, validate
from notifications.api import docs
from notifications.api.bodies import Decision
from notifications.api.endpoints import OfCaller
from notifications.api.filters import filtered
from notifications.hold import DECIDED_MOST, drop, release
from notifications.states import State


class _Deciding(OfCaller):
    """One way to decide."""

    becomes: ClassVar[State]

    def decide(self, found: Sequence[UUID]) -> list[UUID]:
        """Decide about these; which it was so decided about."""
        raise NotImplementedError

    def _one(self, request: HttpRequest, shown: str) -> HttpResponse:
        read_parameters(request)
        row = self.find(shown)
        if not self.decide([row.pk]):
            raise Problem("not_held")
        return answer({"id": shown, "status": self.becomes})

    def _many(self, request: HttpRequest) -> HttpResponse:
        read_parameters(request)
        asked: Decision = validate(Decision, read_json(request))
        given = asked.model_dump(exclude_none=True, exclude={"dry_run"})
        try:
            rows = filtered(self.rows, given | {"status": State.HELD})
        except Problem as error:
            raise Problem("invalid", errors=error.errors) from error
        found = list(rows.order_by("pk").values_list("pk", flat=True)[: DECIDED_MOST + 1])
        chosen = found[:DECIDED_MOST]
        done = chosen if asked.dry_run else self.decide(chosen)
        body: dict[str, Any] = {
            "dry_run": asked.dry_run,
            "data": [ids.show("ntf", pk) for pk in sorted(done)],
            "has_more": len(found) > DECIDED_MOST,
        }
        return answer(body)


class _Releasing(_Deciding):
    becomes = State.ACCEPTED

    def decide(self, found: Sequence[UUID]) -> list[UUID]:
        return release(found)


class _Dropping(_Deciding):
    becomes = State.FAILED

    def decide(self, found: Sequence[UUID]) -> list[UUID]:
        return drop(found)


class ReleaseEndpoint(_Releasing):
    """`/v1/notifications/{id}/release`."""

    @docs.release
    def post(self, request: HttpRequest, notification_id: str) -> HttpResponse:
        """Send it again."""
        return self._one(request, notification_id)


class DropEndpoint(_Dropping):
    """`/v1/notifications/{id}/drop`."""

    @docs.drop
    def post(self, request: HttpRequest, notification_id: str) -> HttpResponse:
        """End it."""
        return self._one(request, notification_id)


class ReleaseManyEndpoint(_Releasing):
    """`/v1/held/release`."""

    @docs.release_many
    def post(self, request: HttpRequest) -> HttpResponse:
        """Send those that match again."""
        return self._many(request)


class DropManyEndpoint(_Dropping):
    """`/v1/held/drop`."""

    @docs.drop_many
    def post(self, request: HttpRequest) -> HttpResponse:
        """End those that match."""
        return self._many(request)
