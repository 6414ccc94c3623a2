"""`/v1/webhooks`: where a tenant is told of events; and `/v1/events`, where it can ask."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse

from hiram.lib import ids, rfc3339
from hiram.lib.pagination import paginate, read_parameters, read_query, refused
from hiram.lib.problems import FieldError, Problem
from hiram.lib.rest import answer, read_json, validate
from hiram.lib.web_address import refusal
from notifications import webhooks
from notifications.api import webhook_docs as docs
from notifications.api.endpoints import OfCaller
from notifications.api.webhook_shapes import STATUSES, NewWebhook, Recovery, WebhookChange
from notifications.models import Attempt, Event, WebhookDelivery, WebhookEndpoint
from notifications.record import milliseconds
from tenants.models import Scope

READ, WRITE = Scope.WEBHOOKS_READ.value, Scope.WEBHOOKS_WRITE.value


class _OfWebhooks(OfCaller):
    """What a key of these scopes may do."""

    scopes: ClassVar[dict[str, str]] = {
        "GET": READ,
        "POST": WRITE,
        "PATCH": WRITE,
        "DELETE": WRITE,
    }

    def endpoint(self, shown: str) -> WebhookEndpoint:
        """The endpoint of this public id.

        Raises:
            Problem: 404 for what is not this tenant's in this mode.
        """
        try:
            found = webhooks.endpoints(self.owner).filter(pk=ids.parse("whk", shown)).first()
        except ids.MalformedId:
            found = None
        if found is None:
            raise Problem("not-found")
        endpoint: WebhookEndpoint = found
        return endpoint


class WebhooksEndpoint(_OfWebhooks):
    """`/v1/webhooks`."""

    @docs.list_
    def get(self, request: HttpRequest) -> HttpResponse:
        """List, newest first."""
        query = read_query(request)
        scope = (self.caller.tenant, self.caller.mode, "webhooks")
        page = paginate(webhooks.endpoints(self.owner), query, scope=scope)
        return answer(page.body(webhooks.show))

    @docs.create
    def post(self, request: HttpRequest) -> HttpResponse:
        """Make one; its secret is in this answer only."""
        read_parameters(request)
        given: NewWebhook = validate(NewWebhook, read_json(request))
        _check_url(given.url)
        columns = given.model_dump(exclude={"headers"})
        endpoint, secret = webhooks.add(self.owner, columns, given.headers)
        shown = webhooks.show(endpoint)
        return answer(shown | {"secret": secret}, 201, {"Location": f"/v1/webhooks/{shown['id']}"})


class WebhookEndpointEndpoint(_OfWebhooks):
    """`/v1/webhooks/{id}`."""

    @docs.get
    def get(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """Show it."""
        read_parameters(request)
        return answer(webhooks.show(self.endpoint(webhook_id)))

    @docs.change
    def patch(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """Change it."""
        read_parameters(request)
        endpoint = self.endpoint(webhook_id)
        given: WebhookChange = validate(WebhookChange, read_json(request))
        columns = given.model_dump(exclude_unset=True)
        if "url" in columns:
            _check_url(given.url)
        headers, enabled = columns.pop("headers", None), columns.pop("enabled", None)
        webhooks.change(endpoint, columns, headers, enabled=enabled)
        return answer(webhooks.show(endpoint))

    @docs.delete
    def delete(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """Remove it."""
        read_parameters(request)
        webhooks.remove(self.endpoint(webhook_id))
        return HttpResponse(status=204)


class RotateSecretEndpoint(_OfWebhooks):
    """`/v1/webhooks/{id}/rotate-secret`."""

    @docs.rotate
    def post(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """A new secret, in this answer only."""
        read_parameters(request)
        return answer({"id": webhook_id, "secret": webhooks.rotate(self.endpoint(webhook_id))})


class TestEndpoint(_OfWebhooks):
    """`/v1/webhooks/{id}/test`."""

    __test__ = False

    @docs.test
    def post(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """Post a test event to it."""
        read_parameters(request)
        event_id = webhooks.test(self.endpoint(webhook_id))
        return answer({"id": webhook_id, "event_id": ids.show("evt", event_id)}, 202)


class RecoverEndpoint(_OfWebhooks):
    """`/v1/webhooks/{id}/recover`."""

    @docs.recover
    def post(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """Tell it again."""
        read_parameters(request)
        endpoint = self.endpoint(webhook_id)
        asked: Recovery = validate(Recovery, read_json(request))
        assert asked.since is not None  # noqa: S101  (as its shape checks)
        told = webhooks.recover(endpoint, asked.since)
        body = {"id": webhook_id, "recovered": told, "has_more": told == webhooks.RECOVERED_MOST}
        return answer(body, 202)


class DeliveriesEndpoint(_OfWebhooks):
    """`/v1/webhooks/{id}/deliveries`."""

    @docs.deliveries
    def get(self, request: HttpRequest, webhook_id: str) -> HttpResponse:
        """What it was told, newest first, with every attempt."""
        query = read_query(request, "status")
        endpoint = self.endpoint(webhook_id)
        if query.filters.get("status", STATUSES[0]) not in STATUSES:
            text = f"This must be one of {', '.join(STATUSES)}."
            raise Problem("bad-query", errors=[refused("status", "not_an_option", text)])
        rows = webhooks.deliveries(endpoint).filter(**query.filters)
        page = paginate(rows, query, scope=(webhook_id, "deliveries"))
        return answer(page.body(_shower(page.rows)))


def _shower(rows: Any) -> Any:
    found = [row.pk for row in rows]
    attempts: dict[Any, list[Attempt]] = {pk: [] for pk in found}
    for attempt in Attempt.objects.filter(subject_id__in=found).order_by("number"):
        attempts[attempt.subject_id].append(attempt)
    types = dict(
        Event.objects.filter(pk__in=[row.event_id for row in rows]).values_list("pk", "type")
    )

    def show(row: WebhookDelivery) -> dict[str, Any]:
        return {
            "id": ids.show("whd", row.pk),
            "event_id": ids.show("evt", row.event_id),
            "type": types.get(row.event_id),
            "status": row.status,
            "reason": row.reason,
            "created_at": rfc3339.show(row.created_at),
            "expires_at": rfc3339.show(row.expires_at),
            "settled_at": rfc3339.show_if(row.settled_at),
            "attempts": [_attempt(attempt) for attempt in attempts[row.pk]],
        }

    return show


def _attempt(attempt: Attempt) -> dict[str, Any]:
    finished = attempt.finished_at
    return {
        "id": ids.show("att", attempt.pk),
        "number": attempt.number,
        "outcome": attempt.outcome,
        "status": int(attempt.code) if attempt.code and attempt.code.isdecimal() else None,
        "duration_ms": milliseconds(attempt.started_at, finished) if finished else None,
        "error": attempt.error,
        "response": attempt.response,
        "started_at": rfc3339.show(attempt.started_at),
        "finished_at": rfc3339.show_if(finished),
    }


def _check_url(url: str) -> None:
    if text := refusal(url):
        raise Problem("invalid", errors=[FieldError("/url", "refused", text)])
