"""Receive: keep what a provider reports, once. What it means is applied afterwards.

Keeping is one insert that repeats and storms do not change, so a callback is answered quickly and
a report that comes before our own `sent`, or of a message that we do not know, waits like others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from delivery.driver import Report
from delivery.models.receipt import DESCRIPTION_CHARACTERS
from hiram.lib import ids
from hiram.lib.excerpt import excerpt
from hiram.lib.first_query import first_row
from hiram.lib.text import head
from tenants.models import Provider

RAW_CHARACTERS = 16_384
RAW_SECONDS = 30 * 86_400
"""How long the vendor's own form, and whom it is about, are kept."""

UNMATCHED_SECONDS = 3 * 86_400
"""How long a report waits for the attempt it is about; then it is of none of ours."""

_CHUNK = 5_000
_YEARS = range(2000, 9999)

# In one order, so that the same call twice at the same time does not wait crosswise.
_KEEP = """
WITH provider AS (
  SELECT id, tenant_id FROM tenants_provider
   WHERE id = %(provider)s AND xmin::text = coalesce(%(version)s::text, xmin::text)
), kept AS (
  INSERT INTO delivery_receipt
         (id, tenant_id, provider_id, digest, kind, hard, provider_message_id, attempt_id,
          notification_id, recipient, code, description, raw, happened_at)
  SELECT r.id, p.tenant_id, p.id, decode(r.digest, 'hex'), kind, hard, provider_message_id,
         attempt_id, notification_id, recipient, code, description, raw, happened_at
    FROM provider p CROSS JOIN jsonb_to_recordset(%(rows)s::jsonb) AS r(
      id uuid, digest text, kind text, hard boolean, provider_message_id text, attempt_id uuid,
      notification_id uuid, recipient text, code text, description text, raw text,
      happened_at timestamptz)
   ORDER BY r.digest
  ON CONFLICT DO NOTHING
)
SELECT FROM provider
"""

_FORGET_RAW = """
UPDATE delivery_receipt SET raw = NULL, recipient = NULL WHERE id IN (
  SELECT id FROM delivery_receipt
   WHERE raw IS NOT NULL AND received_at < now() - make_interval(secs => %s) LIMIT %s)
"""
_FORGET_UNMATCHED = """
DELETE FROM delivery_receipt WHERE id IN (
  SELECT id FROM delivery_receipt
   WHERE applied_at IS NULL AND due_at <= now()
     AND received_at < now() - make_interval(secs => %s) LIMIT %s FOR UPDATE SKIP LOCKED)
"""


def keep(provider: Provider, reports: Sequence[Report], version: str | None = None) -> bool:
    """Write down what was not reported before.

    False, and nothing is, when there is no such provider any more, or its row is not of this
    `version` (its `xmin`).

    Raises:
        django.db.OperationalError: nothing was kept, or during the commit that is unknown; the
            vendor's repeat does no harm.
    """
    rows = json.dumps([_row(report) for report in reports], default=str)
    return (
        first_row(_KEEP, {"provider": provider.pk, "version": version, "rows": rows}) is not None
    )


def forget() -> int:
    """Forget what was kept for long enough; how many receipts."""
    forgotten = 0
    with connection.cursor() as cursor:
        for statement, seconds in (
            (_FORGET_RAW, RAW_SECONDS),
            (_FORGET_UNMATCHED, UNMATCHED_SECONDS),
        ):
            cursor.execute(statement, [seconds, _CHUNK])
            forgotten += int(cursor.rowcount)
    return forgotten


def _row(report: Report) -> dict[str, Any]:
    return {
        "id": ids.new(),
        "digest": _digest(report),
        "kind": report.kind,
        "hard": report.hard,
        "provider_message_id": excerpt(report.provider_message_id, most=512),
        "attempt_id": _parsed("att", report.echo),
        # A key is the notification's id, and after a replay its generation.
        "notification_id": _parsed("ntf", report.echo.partition("-")[0]),
        "recipient": excerpt(report.recipient, most=512) or None,
        "code": excerpt(report.code, most=40),
        "description": excerpt(report.description, most=DESCRIPTION_CHARACTERS),
        "raw": _storable(report.raw),
        "happened_at": _moment(report.at),
    }


def _digest(report: Report) -> str:
    """Of what makes it another report than those before."""
    said: list[Any] = [report.kind, report.provider_message_id, report.recipient, report.event_id]
    if not report.event_id:
        said += [report.at, report.echo, report.code, report.description]
    return hashlib.sha256(json.dumps(said, default=str).encode()).hexdigest()


def _parsed(prefix: str, echo: str) -> UUID | None:
    try:
        return ids.parse(prefix, echo)
    except ids.MalformedId:
        return None


def _moment(at: datetime | None) -> datetime | None:
    return at if at is not None and at.year in _YEARS else None


def _storable(text: str) -> str:
    """Without what PostgreSQL does not take."""
    return head(text, RAW_CHARACTERS).replace("\0", "").encode("utf-8", "replace").decode()
