"""Accept: the one verb that makes a notification.

One statement, which is one transaction, writes content, notification, first event, outbox row and
idempotency record of any number of notifications, all or none. The caller may say 202 only after
this returned: then PostgreSQL has committed.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from django.conf import settings
from django.db import OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from hiram import telemetry
from hiram.lib import ids
from hiram.lib.doorbell import doorbell
from hiram.telemetry import metrics
from notifications import ordering
from notifications.channel import Request
from notifications.idempotency import Answer, InProgress, Key, recall, remembered
from notifications.models import CLASSES
from notifications.refusal import refused
from notifications.shelves import channels
from notifications.states import State
from notifications.suppression import digest
from tenants.models import Provider, Tenant

logger = logging.getLogger(__name__)
_encode = json.JSONEncoder(default=str).encode

_RECORD = """
fresh AS (
  INSERT INTO notifications_idempotencyrecord AS i
         (id, tenant_id, mode, key, fingerprint, status, body, expires_at)
  VALUES (%(record_id)s, %(tenant)s, %(mode)s, %(key)s, %(fingerprint)s, %(status)s,
          %(body)s::jsonb, statement_timestamp() + make_interval(secs => %(remembered)s))
  ON CONFLICT (tenant_id, mode, key) DO UPDATE
     SET fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body,
         created_at = statement_timestamp(), expires_at = excluded.expires_at
   WHERE i.expires_at <= now()
  RETURNING 1
),
"""

_INSERT = """
WITH {record} r AS MATERIALIZED (
  SELECT r.*, due_at, ends_at, {refused} AS suppressed
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(
    id uuid, event_id uuid, lane_id uuid, channel text, recipient text, subject text,
    category text, priority text, rank smallint, metadata jsonb, payload jsonb, traceparent text,
    status text, scheduled_at timestamptz, expires_at timestamptz, ttl integer,
    second_event_id uuid, cancel_key text, ordering_key text, address text, user_id text,
    template text)
  LEFT JOIN tenants_categorypolicy p ON p.tenant_id = %(tenant)s AND p.category = r.category,
  LATERAL (SELECT greatest(r.scheduled_at, statement_timestamp()) AS due_at) d,
  LATERAL (SELECT coalesce(r.expires_at, due_at + make_interval(
                             secs => coalesce(r.ttl, p.ttl_seconds, %(ttl)s))) AS ends_at) e
  {when_fresh}
), lane AS (
  INSERT INTO notifications_lane (id, tenant_id, mode, topic, rank)
  SELECT DISTINCT lane_id, %(tenant)s::uuid, %(mode)s, channel, rank FROM r WHERE suppressed IS NULL
  ON CONFLICT DO NOTHING
), content AS (
  INSERT INTO notifications_content (id, tenant_id, payload)
  SELECT id, %(tenant)s, payload FROM r
), notification AS (
  INSERT INTO notifications_notification
         (id, content_id, tenant_id, mode, channel, recipient, address, subject, category,
          priority, status, reason, settled_at, metadata, traceparent, generation, cancel_key,
          scheduled_at, expires_at)
  SELECT id, id, %(tenant)s, %(mode)s, channel, recipient, decode(address, 'hex'), subject,
         category, priority, CASE WHEN suppressed IS NULL THEN status ELSE 'suppressed' END,
         suppressed, CASE WHEN suppressed IS NOT NULL THEN statement_timestamp() END, metadata,
         traceparent, 0, cancel_key, scheduled_at, ends_at
    FROM r
), event AS (
  INSERT INTO notifications_event (id, tenant_id, notification_id, mode, type, data)
  SELECT event_id, %(tenant)s::uuid, id, %(mode)s, 'notification.accepted', '{{}}'::jsonb FROM r
   UNION ALL
  SELECT second_event_id, %(tenant)s, id, %(mode)s,
         'notification.' || CASE WHEN suppressed IS NULL THEN status ELSE 'suppressed' END,
         jsonb_strip_nulls(jsonb_build_object('reason', suppressed))
    FROM r WHERE status = 'scheduled' OR suppressed IS NOT NULL
), outbox AS (
  INSERT INTO notifications_outboxmessage
         (id, tenant_id, topic, lane_id, rank, due_at, expires_at, ordering_key, traceparent)
  SELECT id, %(tenant)s, 'notification', lane_id, rank, {due_at}, ends_at, ordering_key,
         traceparent
    FROM r WHERE suppressed IS NULL {in_order}
)
SELECT {is_fresh}
"""

_IN_TURN = """CASE WHEN ordering_key IS NOT NULL AND (
                row_number() OVER (PARTITION BY ordering_key ORDER BY id) > 1
                OR EXISTS (SELECT FROM notifications_outboxmessage b
                            WHERE b.tenant_id = %(tenant)s AND b.ordering_key = r.ordering_key))
              THEN ends_at ELSE due_at END"""


@cache
def _statement(*, keyed: bool, ordered: bool) -> str:
    known = {
        "record": _RECORD,
        "when_fresh": "WHERE EXISTS (SELECT FROM fresh)",
        "is_fresh": "EXISTS (SELECT FROM fresh)",
    }
    new = {"record": "", "when_fresh": "", "is_fresh": "true"}
    refusal = refused(
        row="r",
        tenant="%(tenant)s",
        mode="%(mode)s",
        address="decode(r.address, 'hex')",
        policy="p",
    )
    turns = {"due_at": _IN_TURN, "in_order": "ORDER BY id"}
    at_once = {"due_at": "due_at", "in_order": ""}
    parts = (known if keyed else new) | (turns if ordered else at_once)
    return _INSERT.format(refused=refusal, **parts)


class SendersRefused(Exception):
    """Senders asked for are not among those that the tenant's providers allow."""

    def __init__(self, senders: Mapping[int, str]) -> None:
        """`senders` are the refused ones by their request's place in the batch."""
        super().__init__(f"{len(senders)} senders refused")
        self.senders = senders


@dataclass(frozen=True, slots=True)
class Owner:
    """In whose name: a tenant in one mode."""

    tenant_id: UUID
    mode: str


def accept(
    owner: Owner,
    requests: Sequence[Request],
    respond: Callable[[list[UUID]], tuple[int, Any]],
    *,
    key: Key | None = None,
) -> Answer:
    """Write the notifications of these checked requests and give the answer for them.

    `respond` makes status and body from the new ids, before they are written: the answer is part
    of the idempotency record. With a known `key` nothing is written and the first answer returned.

    Raises:
        SendersRefused: nothing was written.
        idempotency.KeyReused, idempotency.InProgress: nothing was written.
        RuntimeError: called inside another transaction, where a commit could not be promised.
        django.db.OperationalError: during the commit, the outcome is unknown.
    """
    if refused := _refused_senders(owner, requests):
        # What was answered once is answered again, whoever may send by now.
        if key is not None and (known := remembered(owner.tenant_id, owner.mode, key)):
            return known
        raise SendersRefused(refused)
    rows = [_row(owner, request) for request in requests]
    made = [row["id"] for row in rows]
    status, body = respond(made)
    values = {
        "tenant": owner.tenant_id, "mode": owner.mode, "rows": _encode(rows),
        "ttl": settings.TTL_SECONDS,
    }  # fmt: skip
    turns = {(owner.tenant_id, row["ordering_key"]) for row in rows if row["ordering_key"]}
    if key is None:
        _write(values, turns)
    elif not _write_keyed(values | _record(key, status, body), turns):
        return recall(owner.tenant_id, owner.mode, key)
    if not all(request.scheduled_at for request in requests):
        doorbell.ring()
    _count(owner, requests)
    return Answer(status, body)


def _count(owner: Owner, requests: Sequence[Request]) -> None:
    try:
        for channel, count in Counter(request.channel for request in requests).items():
            metrics.accepted(channel, owner.mode, count)
    except Exception:
        # What is committed is accepted, whatever becomes of its count.
        logger.exception("accepted, but not counted")


def send_own(
    *,
    channel: str,
    recipient: str,
    subject: str,
    body: str,
    html: str | None = None,
    key: Key | None = None,
) -> Answer:
    """Accept one of Hiram's own mails, in the name of the system tenant, once for a `key`."""
    tenant = Tenant.objects.get(is_system=True)
    content = {"channel": channel, "recipient": recipient, "subject": subject, "body": body}
    request = channels[channel].request.model_validate(content | ({"html": html} if html else {}))
    owner = Owner(tenant.pk, tenant.mode)
    return accept(owner, [request], lambda made: (202, [str(row_id) for row_id in made]), key=key)


def _write(
    values: dict[str, Any], turns: Collection[tuple[UUID, str]], keyed: bool = False
) -> bool:
    """Whether it was written; not when the key is known."""
    statement = _statement(keyed=keyed, ordered=bool(turns))
    if turns:
        with transaction.atomic(durable=True):
            # What comes next sees who was before it in its turn.
            ordering.lock(turns)
            return _execute(statement, values)
    if connection.in_atomic_block:
        with transaction.atomic(durable=True):  # which raises, except in a test's own
            pass
    return _execute(statement, values)


def _execute(statement: str, values: dict[str, Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        (is_fresh,) = cursor.fetchone()
    return bool(is_fresh)


def _write_keyed(values: dict[str, Any], turns: Collection[tuple[UUID, str]]) -> bool:
    try:
        return _write(values, turns, keyed=True)
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise InProgress from error
        raise


def _record(key: Key, status: int, body: Any) -> dict[str, Any]:
    return {
        "record_id": ids.new(), "key": key.text, "fingerprint": key.fingerprint,
        "status": status, "body": json.dumps(body), "remembered": settings.IDEMPOTENCY_SECONDS,
    }  # fmt: skip


def _row(owner: Owner, request: Request) -> dict[str, Any]:
    channel = request.channel
    rank = CLASSES[request.priority]
    notification_id = ids.new()
    return {
        "id": notification_id,
        "event_id": ids.new(),
        "lane_id": lane_id(owner, channel, rank),
        "channel": channel,
        "recipient": request.address,
        "subject": request.title,
        "category": request.category,
        "priority": request.priority,
        "rank": rank,
        "metadata": request.metadata,
        "payload": request.content(),
        "traceparent": telemetry.publishing(ids.show("ntf", notification_id), channel),
        "status": first_state(request),
        "scheduled_at": request.scheduled_at,
        "expires_at": request.expires_at,
        "ttl": request.ttl_seconds,
        "cancel_key": request.cancel_key,
        "ordering_key": ordering.in_mode(owner.mode, request.ordering_key),
        "second_event_id": ids.new(),
        "address": digest(owner.tenant_id, channel, request.address).hex(),
    }


def first_state(request: Request) -> State:
    """The state in which a notification of this request begins."""
    return State.SCHEDULED if request.scheduled_at else State.ACCEPTED


@lru_cache(maxsize=4096)
def lane_id(owner: Owner, topic: str, rank: int) -> UUID:
    """The lane's id, computed: accept neither reads nor updates a row that requests share."""
    return uuid5(NAMESPACE_OID, f"hiram:lane:{owner.tenant_id}:{owner.mode}:{topic}:{rank}")


def _refused_senders(owner: Owner, requests: Sequence[Request]) -> dict[int, str]:
    asked = {index: request for index, request in enumerate(requests) if request.sender}
    if not asked:
        return {}
    providers = list(Provider.objects.usable_by(owner.tenant_id))
    refused = {}
    for index, request in asked.items():
        candidates = [p for p in providers if p.channel == request.channel]
        if candidates and not any(p.allows_sender(request.sender) for p in candidates):
            refused[index] = request.sender
    return refused
