"""`/v1/notify` and `/v1/requests`: one text for many, and what became of it."""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse

from hiram.lib import ids, rfc3339
from hiram.lib.pagination import paginate, read_parameters, read_query
from hiram.lib.problems import Problem
from hiram.lib.rest import LARGE_BODY_OCTETS, answer, read_json, validate
from notifications.api import notify_docs as docs
from notifications.api.endpoints import OfCaller, canceled
from notifications.api.notify_bodies import Notify
from notifications.api.notifying import notify
from notifications.api.verdicts import idempotency_key, replayed
from notifications.api.waiting import preferred_wait, wait_for
from notifications.cancel import CANCELED_MOST, Canceled, cancel
from notifications.idempotency import Answer
from notifications.models import Notification, NotificationRequest
from notifications.record import show_all, with_status
from notifications.states import OWED, State

logger = logging.getLogger(__name__)


class OfRequests(OfCaller):
    """The calls of notify of the key's tenant, in the key's mode."""

    def call(self, shown: str) -> NotificationRequest:
        """The call of this public id.

        Raises:
            Problem: 404.
        """
        own = NotificationRequest.objects.filter(
            tenant_id=self.caller.tenant_id, mode=self.caller.mode
        )
        try:
            row = own.filter(pk=ids.parse("req", shown)).first()
        except ids.MalformedId:
            row = None
        if row is None:
            raise Problem("not-found")
        return row


class NotifyEndpoint(OfCaller):
    """`/v1/notify`."""

    @docs.notify
    def post(self, request: HttpRequest) -> HttpResponse:
        """Accept one notification a recipient and channel."""
        read_parameters(request)
        body = read_json(request, limit=LARGE_BODY_OCTETS)
        known = idempotency_key(request, body)
        given = notify(self.owner, validate(Notify, body), known)
        headers = {"Location": f"/v1/requests/{given.body['id']}"} | replayed(given)
        seconds = preferred_wait(request.META.get("HTTP_PREFER", ""))
        if seconds:
            return self._waited(given, seconds, headers)
        return answer(given.body, given.status, headers)

    def _waited(self, given: Answer, seconds: int, headers: dict[str, str]) -> HttpResponse:
        found = [ids.parse("ntf", one["id"]) for one in given.body["notifications"]]
        try:
            are_settled = wait_for(found, seconds)
            if are_settled is not None:
                headers |= {"Preference-Applied": f"wait={seconds}"}
            if are_settled:
                return answer(self._settled(given.body), 200, headers)
        except DatabaseError as error:
            # It is accepted, whatever becomes of the look at it.
            logger.warning("wait ended: %s", type(error).__name__)
        return answer(given.body, given.status, headers)

    def _settled(self, body: dict[str, Any]) -> dict[str, Any]:
        told = {ids.parse("ntf", one["id"]): one for one in body["notifications"]}
        now = self.rows.filter(pk__in=told).values_list("pk", "status", "reason")
        for key, status, reason in now:
            told[key] |= {"status": status, "reason": reason}
        return body | {"status": "settled", "notifications": [*told.values()]}


class RequestEndpoint(OfRequests):
    """`/v1/requests/{id}`."""

    @docs.get
    def get(self, request: HttpRequest, request_id: str) -> HttpResponse:
        """Show one call, with one page of its notifications."""
        query = read_query(request)
        row = self.call(request_id)
        own = self.rows.filter(request_id=row.pk)
        page = paginate(own, query, scope=(str(row.pk), "request"))
        shown = dict(zip((one.pk for one in page.rows), show_all(page.rows), strict=True))
        return answer(
            {
                "id": request_id,
                "template": row.template,
                "strategy": row.strategy,
                "metadata": row.metadata,
                "created_at": rfc3339.show(row.created_at),
                "counts": _counts(own),
                **page.body(lambda one: shown[one.pk]),
            }
        )


class CancelRequestEndpoint(OfRequests):
    """`/v1/requests/{id}/cancel`."""

    @docs.cancel
    def post(self, request: HttpRequest, request_id: str) -> HttpResponse:
        """Stop all of it that has not left; each notification is in one of the two lists."""
        read_parameters(request)
        row = self.call(request_id)
        own = self.rows.filter(request_id=row.pk).order_by("pk").values_list("pk", flat=True)
        found = list(own)
        done = Canceled([], [], has_more=False)
        for begin in range(0, len(found), CANCELED_MOST):
            part = cancel(self.rows.filter(pk__in=found[begin : begin + CANCELED_MOST]))
            done.stopped.extend(part.stopped)
            done.already_left.extend(part.already_left)
        return answer(canceled(done))


def _counts(rows: QuerySet[Notification]) -> dict[str, int]:
    settled = rows.exclude(status__in=sorted(OWED)).values_list("status")
    counts = dict(settled.annotate(Count("pk")).order_by("status"))
    for state in (State.ACCEPTED, State.SCHEDULED, State.QUEUED, State.SENDING, State.HELD):
        if count := with_status(rows, state).count():
            counts[str(state)] = count
    return counts
