"""The addresses below `/v1/notifications`."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from hiram.lib import ids
from hiram.lib.pagination import paginate, read_parameters, read_query
from hiram.lib.problems import Problem
from hiram.lib.rest import (
    BODY_OCTETS,
    LARGE_BODY_OCTETS,
    answer,
    read_json,
    too_large,
    validate,
)
from notifications.accept import Owner
from notifications.api import docs
from notifications.api.bodies import AnyBatch, Cancel, sort
from notifications.api.filters import FILTERS, METADATA, filtered, labelled
from notifications.api.verdicts import (
    accept_batch,
    accept_one,
    idempotency_key,
    replayed,
)
from notifications.api.waiting import preferred_wait, wait_for
from notifications.cancel import Canceled, cancel
from notifications.idempotency import Answer
from notifications.models import Attempt, Notification
from notifications.record import show, show_all, show_attempt
from tenants.auth import TenantEndpoint
from tenants.models import Scope

logger = logging.getLogger(__name__)

READ, WRITE = Scope.NOTIFICATIONS_READ.value, Scope.NOTIFICATIONS_WRITE.value


class OfCaller(TenantEndpoint):
    """What belongs to the key's tenant, in the key's mode."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": WRITE}

    @property
    def owner(self) -> Owner:
        """In whose name this request accepts."""
        caller = self.caller
        return Owner(
            caller.tenant_id,
            caller.mode,
            has_senders=caller.has_senders,
            templates_changed_at=caller.templates_changed_at,
        )

    @property
    def rows(self) -> QuerySet[Notification]:
        """What this key may see."""
        return Notification.objects.filter(tenant_id=self.caller.tenant_id, mode=self.caller.mode)

    def find(self, shown: str) -> Notification:
        """The notification of this public id.

        Raises:
            Problem: 404 for another tenant's, another mode's, an unknown or a malformed id.
        """
        try:
            row = self.rows.filter(pk=ids.parse("ntf", shown)).first()
        except ids.MalformedId:
            row = None
        if row is None:
            raise Problem("not-found")
        return row


class NotificationsEndpoint(OfCaller):
    """`/v1/notifications`."""

    @docs.send
    def post(self, request: HttpRequest) -> HttpResponse:
        """Accept one notification."""
        read_parameters(request)
        body = read_json(request, limit=LARGE_BODY_OCTETS if settings.ATTACHMENTS else BODY_OCTETS)
        _check_size(request, body)
        known = idempotency_key(request, body)
        given = accept_one(self.owner, body, known)
        headers = {"Location": f"/v1/notifications/{given.body['id']}"} | replayed(given)
        seconds = preferred_wait(request.META.get("HTTP_PREFER", ""))
        if seconds:
            return self._waited(given, seconds, headers)
        return answer(given.body, given.status, headers)

    def _waited(self, given: Answer, seconds: int, headers: dict[str, str]) -> HttpResponse:
        found = ids.parse("ntf", given.body["id"])
        try:
            is_settled = wait_for([found], seconds)
            if is_settled is not None:
                headers |= {"Preference-Applied": f"wait={seconds}"}
            if is_settled:
                return answer(show(self.rows.get(pk=found)), 200, headers)
        except DatabaseError as error:
            # It is accepted, whatever becomes of the look at it.
            logger.warning("wait ended: %s", type(error).__name__)
        return answer(given.body, given.status, headers)

    @docs.list_
    def get(self, request: HttpRequest) -> HttpResponse:
        """List, newest first."""
        query = read_query(request, *FILTERS, prefixes=(METADATA,))
        rows = filtered(self.rows, query.filters)
        scope = (self.caller.tenant, self.caller.mode, "notifications")
        page = paginate(rows, query, scope=scope)
        shown = dict(zip((row.pk for row in page.rows), show_all(page.rows), strict=True))
        return answer(page.body(lambda row: shown[row.pk]))


class BatchEndpoint(OfCaller):
    """`/v1/notifications/batch`."""

    @docs.batch
    def post(self, request: HttpRequest) -> HttpResponse:
        """Accept up to 1,000 notifications, all or those that can be."""
        read_parameters(request)
        body = read_json(request, limit=LARGE_BODY_OCTETS)
        known = idempotency_key(request, body)
        batch: AnyBatch = validate(AnyBatch, body)
        good, bad = sort(self.owner, batch.notifications)
        given = accept_batch(self.owner, good, bad, known, atomic=batch.mode == "atomic")
        return answer(given.body, given.status, replayed(given))


class NotificationEndpoint(OfCaller):
    """`/v1/notifications/{id}`."""

    @docs.get
    def get(self, request: HttpRequest, notification_id: str) -> HttpResponse:
        """Show one."""
        read_parameters(request)
        return answer(show(self.find(notification_id)))


class CancelOneEndpoint(OfCaller):
    """`/v1/notifications/{id}/cancel`."""

    @docs.cancel
    def post(self, request: HttpRequest, notification_id: str) -> HttpResponse:
        """Stop it, or say that it has left."""
        read_parameters(request)
        row = self.find(notification_id)
        return answer(canceled(cancel(self.rows.filter(pk=row.pk))))


class CancelEndpoint(OfCaller):
    """`/v1/cancel`."""

    @docs.cancel_many
    def post(self, request: HttpRequest) -> HttpResponse:
        """Stop those with this key or these labels that have not left."""
        read_parameters(request)
        asked: Cancel = validate(Cancel, read_json(request))
        named = labelled(asked.metadata) if asked.metadata else Q(cancel_key=asked.cancel_key)
        done = cancel(self.rows.filter(named))
        return answer(canceled(done) | {"has_more": done.has_more})


class AttemptsEndpoint(OfCaller):
    """`/v1/notifications/{id}/attempts`."""

    @docs.attempts
    def get(self, request: HttpRequest, notification_id: str) -> HttpResponse:
        """List its attempts, newest first."""
        query = read_query(request)
        row = self.find(notification_id)
        attempts = Attempt.objects.filter(tenant_id=self.caller.tenant_id, subject_id=row.pk)
        page = paginate(attempts, query, scope=(str(row.pk), "attempts"), by="started_at")
        return answer(page.body(show_attempt))


def canceled(done: Canceled) -> dict[str, Any]:
    """What was stopped and what was not, as it is answered."""
    return {
        "stopped": [ids.show("ntf", found) for found in done.stopped],
        "already_left": [ids.show("ntf", found) for found in done.already_left],
    }


def _check_size(request: HttpRequest, body: Any) -> None:
    has_attachments = isinstance(body, dict) and body.get("attachments")
    if len(request.body) > BODY_OCTETS and not has_attachments:
        raise too_large(BODY_OCTETS, "Without attachments the body")
