"""Accept: the one verb that makes a notification.

One statement, which is one transaction, writes content, notification, first event, outbox row and
idempotency record of any number of notifications, all or none. The caller may say 202 only after
this returned: then PostgreSQL has committed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias
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
from notifications.senders import refused_senders
from notifications.shelves import channels
from notifications.statement import statement
from notifications.states import State
from notifications.suppression import digest
from notifications.undisturbed import REASON
from tenants.models import Tenant

logger = logging.getLogger(__name__)
_encode = json.JSONEncoder(default=str).encode


Written: TypeAlias = tuple[bool, dict[UUID, str]]
"""Whether they were, and why not all of them go out, by id."""


@dataclass(frozen=True, slots=True)
class Owner:
    """In whose name: a tenant in one mode. `has_senders`: it may have sender configs.

    `templates_changed_at` is the tenant's, as this request has found it; None where it has not.
    """

    tenant_id: UUID
    mode: str
    has_senders: bool = field(default=True, compare=False)
    templates_changed_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a notification besides its request.

    `locale` is the one of its text. `not_before` is when its user may be disturbed.
    `chosen_provider_id` is what the sender config of `sender_scope` names, `voice` the sender that
    goes into the message where the request has none. `once` is instead of
    the request's own key to deduplicate by.
    """

    request_id: UUID | None = None
    template_version_id: UUID | None = None
    template_version: int | None = None
    locale: str | None = None
    not_before: datetime | None = None
    sender_scope: str | None = None
    chosen_provider_id: UUID | None = None
    voice: Mapping[str, str] = field(default_factory=dict)
    once: str | None = None


NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of notify, whose notifications all name it."""

    id: UUID
    template: str | None
    strategy: str
    metadata: Mapping[str, str]


def accept(
    owner: Owner,
    requests: Sequence[Request],
    respond: Callable[[list[UUID]], tuple[int, Any]],
    *,
    key: Key | None = None,
    origins: Sequence[Origin] | None = None,
    call: Call | None = None,
) -> Answer:
    """Write the notifications of these checked requests and give the answer for them.

    `origins` are as many as the requests, or none. `respond` makes status and body from the new
    ids, before they are written: the answer is part of the idempotency record. With a known `key`
    nothing is written and the first answer returned. Which of them must not go out is known when
    they are written: that is in the answer's `refused`.

    Raises:
        SendersRefused: nothing was written.
        idempotency.KeyReused, idempotency.InProgress: nothing was written.
        RuntimeError: called inside another transaction, where a commit could not be promised.
        django.db.OperationalError: during the commit, the outcome is unknown.
    """
    if refused := refused_senders(owner.tenant_id, requests):
        # What was answered once is answered again, whoever may send by now.
        if key is not None and (known := remembered(owner.tenant_id, owner.mode, key)):
            return known
        raise refused
    known_of = origins or [NOWHERE] * len(requests)
    rows = [_row(owner, *one) for one in zip(requests, known_of, strict=True)]
    made = [row["id"] for row in rows]
    status, body = respond(made)
    values = {
        "tenant": owner.tenant_id, "mode": owner.mode, "rows": _encode(rows),
        "ttl": settings.TTL_SECONDS, **_call(call),
    }  # fmt: skip
    turns = {(owner.tenant_id, row["ordering_key"]) for row in rows if row["ordering_key"]}
    writing = statement(
        keyed=key is not None,
        ordered=bool(turns),
        of_request=call is not None,
        deduped=any("dedupe" in row for row in rows),
    )
    if key is None:
        _, ended = _write(writing, values, turns)
    else:
        is_fresh, ended = _write_keyed(writing, values | _record(key, status, body), turns)
        if not is_fresh:
            return recall(owner.tenant_id, owner.mode, key)
    if not all(row["scheduled_at"] for row in rows):
        doorbell.ring()
    _count(owner, requests)
    return Answer(status, body, refused=ended)


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


def _write(writing: str, values: dict[str, Any], turns: Collection[tuple[UUID, str]]) -> Written:
    """Write them; not when the key is known."""
    if turns:
        with transaction.atomic(durable=True):
            # What comes next sees who was before it in its turn.
            ordering.lock(turns)
            return _execute(writing, values)
    if connection.in_atomic_block:
        with transaction.atomic(durable=True):  # which raises, except in a test's own
            pass
    return _execute(writing, values)


def _execute(writing: str, values: dict[str, Any]) -> Written:
    with connection.cursor() as cursor:
        cursor.execute(writing, values)
        is_fresh, refused = cursor.fetchone()
    return is_fresh, {UUID(key): reason for key, reason in json.loads(refused or "{}").items()}


def _write_keyed(
    writing: str, values: dict[str, Any], turns: Collection[tuple[UUID, str]]
) -> Written:
    try:
        return _write(writing, values, turns)
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise InProgress from error
        raise


def _call(call: Call | None) -> dict[str, Any]:
    if call is None:
        return {}
    return {
        "request_id": call.id, "template": call.template, "strategy": call.strategy,
        "metadata": json.dumps(dict(call.metadata)),
    }  # fmt: skip


def _record(key: Key, status: int, body: Any) -> dict[str, Any]:
    return {
        "record_id": ids.new(), "key": key.text, "fingerprint": key.fingerprint,
        "status": status, "body": json.dumps(body), "remembered": settings.IDEMPOTENCY_SECONDS,
    }  # fmt: skip


def _row(owner: Owner, request: Request, origin: Origin) -> dict[str, Any]:
    channel = request.channel
    rank = CLASSES[request.priority]
    notification_id = ids.new()
    address = digest(owner.tenant_id, channel, request.address)
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
        "payload": request.content() if request.sender else {**origin.voice, **request.content()},
        "traceparent": telemetry.publishing(ids.show("ntf", notification_id), channel),
        "status": first_state(request, origin),
        "scheduled_at": start(request, origin),
        "expires_at": request.expires_at,
        "ttl": request.ttl_seconds,
        "cancel_key": request.cancel_key,
        "ordering_key": ordering.in_mode(owner.mode, request.ordering_key),
        "second_event_id": ids.new(),
        "address": address.hex(),
        **_named(request, origin),
        **_once(request, origin, address),
    }


def _named(request: Request, origin: Origin) -> dict[str, Any]:
    fields = {
        "user_id": request.user_id,
        "org_id": request.org_id,
        "template": request.template,
        "template_version_id": origin.template_version_id,
        "template_version": origin.template_version,
        "locale": origin.locale,
        "request_id": origin.request_id,
        "sender_scope": origin.sender_scope,
        "chosen_provider_id": origin.chosen_provider_id,
        "put_off": REASON if origin.not_before else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _once(request: Request, origin: Origin, address: bytes) -> dict[str, Any]:
    own = None if request.dedupe_key is None else f"key {request.dedupe_key}"
    key = origin.once or own
    if key is None:
        return {}
    return {
        "dedupe": hashlib.sha256(address + key.encode()).hexdigest(),
        "dedupe_seconds": request.dedupe_seconds,
    }


def start(request: Request, origin: Origin = NOWHERE) -> datetime | None:
    """When it is to be sent, None where that is now."""
    moments = [moment for moment in (request.scheduled_at, origin.not_before) if moment]
    return max(moments, default=None)


def first_state(request: Request, origin: Origin = NOWHERE) -> State:
    """The state in which a notification of this request begins."""
    return State.SCHEDULED if start(request, origin) else State.ACCEPTED


@lru_cache(maxsize=4096)
def lane_id(owner: Owner, topic: str, rank: int) -> UUID:
    """The lane's id, computed: accept neither reads nor updates a row that requests share."""
    return uuid5(NAMESPACE_OID, f"hiram:lane:{owner.tenant_id}:{owner.mode}:{topic}:{rank}")
