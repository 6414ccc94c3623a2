"""What ended `failed`: looked at below `/v1/dead-letters`, and sent again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from math import ceil
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse

from hiram.lib import ids, rfc3339
from hiram.lib.pagination import paginate, read_parameters, read_query
from hiram.lib.problems import FieldError, Problem
from hiram.lib.rest import answer, read_json, validate
from hiram.lib.text import cut
from notifications.api import docs
from notifications.api.bodies import Replay
from notifications.api.endpoints import OfCaller
from notifications.api.filters import filtered
from notifications.models import Attempt, Content, DeadLetter, Notification
from notifications.record import show_attempt
from notifications.replay import REPLAYED_MOST, ahead_seconds, progress, replay
from notifications.states import State

LAST_ATTEMPTS = 5
UNKNOWN = FieldError(
    "/replay_id", "unknown", "You have no such replay: leave it out for a new one."
)
FILTERS = ("channel", "recipient", "category", "created_after", "created_before")
"""Of the notification, as in the list of notifications; `reason` is the dead letter's."""


class DeadLettersEndpoint(OfCaller):
    """`/v1/dead-letters`."""

    @docs.dead_letters
    def get(self, request: HttpRequest) -> HttpResponse:
        """List those that are open, newest first."""
        query = read_query(request, "reason", *FILTERS)
        letters = open_letters(self.rows, self.caller.tenant_id, dict(query.filters))
        page = paginate(letters, query, scope=(self.caller.tenant, self.caller.mode, "dead"))
        shown = dict(zip((row.pk for row in page.rows), show_letters(page.rows), strict=True))
        return answer(page.body(lambda row: shown[row.pk]))


class ReplayManyEndpoint(OfCaller):
    """`/v1/dead-letters/replay`."""

    @docs.replay_many
    def post(self, request: HttpRequest) -> HttpResponse:
        """Owe those again that match, the oldest first."""
        read_parameters(request)
        asked: Replay = validate(Replay, read_json(request))
        options = {"per_second", "dry_run", "replay_id"}
        given = asked.model_dump(exclude_none=True, exclude=options)
        replay_id = self._part_of(asked.replay_id)
        try:
            with_body = self.rows.filter(body_erased_at=None)
            letters = open_letters(with_body, self.caller.tenant_id, given)
        except Problem as error:
            raise Problem("invalid", errors=error.errors) from error
        matched = letters.count()
        oldest = letters.order_by("notification_id").values_list("notification_id", flat=True)
        found = list(oldest[:REPLAYED_MOST])
        pause = 1 / asked.per_second if asked.per_second else 0
        if asked.dry_run:
            done = found
        else:
            ahead = ahead_seconds(self.rows, replay_id) if asked.replay_id and pause else 0
            begun = 1 + ceil(ahead / pause) if ahead else 0
            done = replay(found, pause_seconds=pause, begun=begun, replay_id=replay_id)
        is_part = asked.replay_id or (done and not asked.dry_run)
        body = {
            "id": ids.show("rpl", replay_id) if is_part else None,
            "dry_run": asked.dry_run,
            "matched": matched,
            "replayed": 0 if asked.dry_run else len(done),
            "data": [ids.show("ntf", pk) for pk in sorted(done)],
            "has_more": matched > len(found),
        }
        return answer(body, 200 if asked.dry_run else 202)

    def _part_of(self, shown: str | None) -> UUID:
        """The id of the replay to go on with, or a new one.

        Raises:
            Problem: 422, the caller has no such replay.
        """
        if shown is None:
            return ids.new()
        with suppress(ids.MalformedId):
            replay_id = ids.parse("rpl", shown)
            if progress(self.rows, replay_id):
                return replay_id
        raise Problem("invalid", errors=[UNKNOWN])


class ReplayProgressEndpoint(OfCaller):
    """`/v1/dead-letters/replay/{id}`."""

    @docs.replay_progress
    def get(self, request: HttpRequest, replay_id: str) -> HttpResponse:
        """What has become of its notifications."""
        read_parameters(request)
        with suppress(ids.MalformedId):
            if found := progress(self.rows, ids.parse("rpl", replay_id)):
                return answer(
                    {"id": replay_id}
                    | asdict(found)
                    | {"created_at": rfc3339.show(found.created_at)}
                )
        raise Problem("not-found")


class ReplayEndpoint(OfCaller):
    """`/v1/notifications/{id}/replay`."""

    @docs.replay
    def post(self, request: HttpRequest, notification_id: str) -> HttpResponse:
        """Owe it again."""
        read_parameters(request)
        row = self.find(notification_id)
        if not replay([row.pk]):
            row.refresh_from_db()
            if row.status == State.FAILED and row.body_erased_at:
                raise Problem("body_erased")
            was = DeadLetter.objects.filter(tenant_id=row.tenant_id, notification_id=row.pk)
            raise Problem("already_replayed" if was.exists() else "not_dead_lettered")
        body = {"id": notification_id, "status": "accepted"}
        return answer(body, 202, {"Location": f"/v1/notifications/{notification_id}"})


def open_letters(
    rows: QuerySet[Notification], tenant_id: Any, filters: dict[str, str]
) -> QuerySet[DeadLetter]:
    """The open dead letters of these notifications that pass the filters.

    Raises:
        Problem: 400 that names each filter whose value cannot be.
    """
    letters = DeadLetter.objects.filter(tenant_id=tenant_id, closed_at=None)
    if "reason" in filters:
        letters = letters.filter(reason=filters.pop("reason"))
    matching = filtered(rows, filters).filter(pk=OuterRef("notification_id"))
    return letters.filter(Exists(matching))


def show_letters(letters: Any) -> list[dict[str, Any]]:
    """The dead letters as the API shows them, in three queries for all."""
    found = [letter.notification_id for letter in letters]
    rows = {row.pk: row for row in Notification.objects.filter(pk__in=found)}
    contents = Content.objects.filter(pk__in=[row.content_id for row in rows.values()])
    payloads = {content.pk: content.payload for content in contents}
    attempts: dict[Any, list[Attempt]] = {pk: [] for pk in found}
    for attempt in Attempt.objects.filter(subject_id__in=found).order_by("number"):
        attempts[attempt.subject_id].append(attempt)
    return [
        {
            "notification_id": ids.show("ntf", letter.notification_id),
            "reason": letter.reason,
            "detail": cut(letter.detail),
            "created_at": rfc3339.show(letter.created_at),
            "channel": rows[letter.notification_id].channel,
            "recipient": rows[letter.notification_id].recipient,
            "category": rows[letter.notification_id].category,
            "metadata": rows[letter.notification_id].metadata,
            "payload": _payload(rows[letter.notification_id], payloads),
            "body_erased_at": rfc3339.show_if(rows[letter.notification_id].body_erased_at),
            "attempts": [show_attempt(a) for a in attempts[letter.notification_id]][
                -LAST_ATTEMPTS:
            ],
        }
        for letter in letters
    ]


def _payload(row: Notification, payloads: dict[UUID, Any]) -> Any:
    # Another notification may have kept the same for longer.
    return None if row.body_erased_at else _begin(payloads.get(row.content_id))


def _begin(value: Any) -> Any:
    """The same, each of its texts cut to what logs show."""
    match value:
        case str():
            return cut(value)
        case dict():
            return {name: _begin(part) for name, part in value.items()}
        case list():
            return [_begin(part) for part in value]
    return value
