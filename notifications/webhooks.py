"""Webhooks: making, changing and ending endpoints, and telling them again. One way for API and
portal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from hiram.lib import ids, rfc3339
from hiram.lib.doorbell import doorbell
from hiram.lib.problems import FieldError, Problem
from hiram.lib.vault import SealBroken
from notifications import secrets
from notifications.accept import Owner
from notifications.events import TEST
from notifications.models import Event, Lane, WebhookDelivery, WebhookEndpoint

MOST = 100
"""Endpoints of a tenant in one mode: each is told of every event."""

RECOVERED_MOST = 10_000
TOPIC, RANK = "webhook", 1

_TELL = """
WITH told AS (
  INSERT INTO notifications_webhookdelivery AS d
         (id, tenant_id, mode, endpoint_id, event_id, status, expires_at)
  SELECT gen_random_uuid(), e.tenant_id, e.mode, w.id, e.id, 'accepted',
         clock_timestamp() + interval '4 days'
    FROM notifications_webhookendpoint w JOIN notifications_event e
      ON e.tenant_id = w.tenant_id AND e.mode = w.mode
   WHERE w.id = %(endpoint)s AND ({which})
   ORDER BY e.transaction, e.id LIMIT %(most)s
  ON CONFLICT (tenant_id, endpoint_id, event_id) DO UPDATE
     SET status = 'accepted', reason = NULL, settled_at = NULL, expires_at = excluded.expires_at
   WHERE d.status IN ('failed', 'expired', 'canceled')
  RETURNING d.id, d.tenant_id, d.endpoint_id, d.expires_at
), closed AS (
  UPDATE notifications_deadletter l SET closed_at = now() FROM told
   WHERE l.tenant_id = told.tenant_id AND l.notification_id = told.id AND l.closed_at IS NULL
)
INSERT INTO notifications_outboxmessage (id, tenant_id, topic, lane_id, rank, expires_at)
SELECT id, tenant_id, 'webhook', endpoint_id, 1, expires_at FROM told
"""

_ONE = _TELL.format(which="e.id = %(event)s")
_MISSED = _TELL.format(
    which="e.created_at >= %(since)s AND e.type <> 'webhook.test'"
    " AND (w.events = '{}' OR e.type = ANY(w.events))"
    " AND NOT EXISTS (SELECT FROM notifications_webhookdelivery d WHERE d.tenant_id = w.tenant_id"
    " AND d.endpoint_id = w.id AND d.event_id = e.id AND d.status IN ('accepted', 'sent'))"
)

_CANCEL = """
WITH owed AS (
  DELETE FROM notifications_outboxmessage WHERE lane_id = %s AND rank = 1 RETURNING id
)
UPDATE notifications_webhookdelivery d SET status = 'canceled', settled_at = clock_timestamp()
  FROM owed WHERE d.id = owed.id AND d.status = 'accepted'
"""


def add(
    owner: Owner, given: Mapping[str, Any], headers: Mapping[str, str]
) -> tuple[WebhookEndpoint, str]:
    """Make an endpoint; its secret is returned only here.

    Raises:
        Problem: 409 when the tenant has as many as it may.
    """
    endpoint = WebhookEndpoint(tenant_id=owner.tenant_id, mode=owner.mode, **given)
    kept = secrets.new(headers)
    endpoint.seal(kept)
    with transaction.atomic():
        if endpoints(owner).count() >= MOST:
            raise Problem("conflict", f"There are {MOST} webhooks already.")
        endpoint.save(force_insert=True)
        Lane.objects.create(
            id=endpoint.pk,
            tenant_id=owner.tenant_id,
            mode=owner.mode,
            topic=TOPIC,
            rank=RANK,
            endpoint_id=endpoint.pk,
        )
    return endpoint, str(kept["secrets"][0]["secret"])


def endpoints(owner: Owner) -> Any:
    """Those of a tenant in one mode."""
    return WebhookEndpoint.objects.filter(tenant_id=owner.tenant_id, mode=owner.mode)


def change(
    endpoint: WebhookEndpoint,
    given: Mapping[str, Any],
    headers: Mapping[str, str] | None,
    *,
    enabled: bool | None,
) -> None:
    """Change what is given; enabling also forgets its failures."""
    with transaction.atomic():
        row = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        for name, value in given.items():
            setattr(row, name, value)
        if headers is not None:
            row.seal({**opened(row), "headers": dict(headers)})
        if enabled is not None:
            _enable(row, enabled)
        row.save()
    endpoint.refresh_from_db()
    if enabled:
        doorbell.ring()


def rotate(endpoint: WebhookEndpoint) -> str:
    """Sign with a new secret from now on, and for a day with those before; the new one."""
    with transaction.atomic():
        row = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        kept = secrets.rotated(opened(row), time.time())
        row.seal(kept)
        row.save(update_fields=["sealed", "updated_at"])
    return str(kept["secrets"][0]["secret"])


def remove(endpoint: WebhookEndpoint) -> None:
    """Tell it nothing more, what is owed included; a post under way is not cut."""
    with transaction.atomic(), connection.cursor() as cursor:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).delete()
        cursor.execute(_CANCEL, [endpoint.pk])
        Lane.objects.filter(pk=endpoint.pk).delete()


def test(endpoint: WebhookEndpoint) -> UUID:
    """Post a `webhook.test` event to this endpoint alone; the event's id.

    Raises:
        Problem: 409 while it is disabled.
    """
    if endpoint.disabled_at is not None:
        raise Problem("conflict", "This webhook is disabled. Enable it first.")
    with transaction.atomic(), connection.cursor() as cursor:
        event = Event.objects.create(
            tenant_id=endpoint.tenant_id,
            mode=endpoint.mode,
            type=TEST,
            data={"webhook_id": ids.show("whk", endpoint.pk)},
        )
        cursor.execute(_ONE, {"endpoint": endpoint.pk, "event": event.pk, "most": 1})
    doorbell.ring()
    return event.pk


def recover(endpoint: WebhookEndpoint, since: datetime) -> int:
    """Tell again what failed since then, and what was never told; how many, 10,000 at most.

    Raises:
        Problem: 409 while it is disabled.
    """
    if endpoint.disabled_at is not None:
        raise Problem("conflict", "This webhook is disabled. Enable it first.")
    with connection.cursor() as cursor:
        cursor.execute(_MISSED, {"endpoint": endpoint.pk, "since": since, "most": RECOVERED_MOST})
        told = int(cursor.rowcount)
    doorbell.ring()
    return told


def show(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """An endpoint as it is shown; its headers by their names, its secrets not at all."""
    try:
        kept = endpoint.open()
        headers, key = sorted(kept["headers"]), secrets.public_key(kept)
    except SealBroken:
        headers, key = [], None
    return {
        "id": ids.show("whk", endpoint.pk),
        "url": endpoint.url,
        "description": endpoint.description,
        "events": endpoint.events,
        "headers_set": headers,
        "rate_limit": endpoint.rate_limit,
        "ordered": endpoint.ordered,
        "asymmetric": endpoint.asymmetric,
        "public_key": key if endpoint.asymmetric else None,
        "enabled": endpoint.disabled_at is None,
        "disabled_at": rfc3339.show_if(endpoint.disabled_at),
        "disabled_reason": endpoint.disabled_reason,
        "first_failed_at": rfc3339.show_if(endpoint.first_failed_at),
        "created_at": rfc3339.show(endpoint.created_at),
        "updated_at": rfc3339.show(endpoint.updated_at),
    }


def opened(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """What it keeps sealed.

    Raises:
        Problem: 409 where the keys that sealed it are not configured any more.
    """
    try:
        return endpoint.open()
    except SealBroken as error:
        text = "Its secrets cannot be read with the configured keys. Make a new webhook."
        raise Problem("conflict", text, errors=[FieldError("", "unreadable", text)]) from error


def _enable(row: WebhookEndpoint, enabled: bool) -> None:
    if enabled:
        row.disabled_at = row.disabled_reason = row.first_failed_at = None
        row.warned = 0
        Lane.objects.filter(pk=row.pk).update(paused_at=None, reason=None, resume_at=None)
    elif row.disabled_at is None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT now()")
            (row.disabled_at,) = cursor.fetchone()
        row.disabled_reason = "by_hand"
        Lane.objects.filter(pk=row.pk).update(paused_at=row.disabled_at, reason="webhook_disabled")


def deliveries(endpoint: WebhookEndpoint) -> Any:
    """What it was or is to be told."""
    return WebhookDelivery.objects.filter(tenant_id=endpoint.tenant_id, endpoint_id=endpoint.pk)
