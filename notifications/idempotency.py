"""Idempotency keys: the same post twice is one notification (draft-ietf-httpapi-idempotency-key-header).

The record is inserted by the accept statement itself, under a unique key of tenant, mode and key:
there is no moment in which the one exists without the other.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection

KEY_CHARACTERS = 255

_KEY = re.compile(rf"[\x20-\x7e]{{1,{KEY_CHARACTERS}}}", re.ASCII)


class BadKey(ValueError):
    """The key is empty, too long, or not printable ASCII."""


class KeyReused(Exception):
    """The key was given before with another request."""


class InProgress(Exception):
    """Another request with the key has not finished yet."""


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key with the fingerprint of the request it came with."""

    text: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller is told, and whether it was told before.

    `refused` are those of its notifications that ended as they were accepted, with the reason: what
    the statement that writes them decides, and the body does not know.
    """

    status: int
    body: Any
    replayed: bool = False
    refused: Mapping[UUID, str] = field(default_factory=dict)


def key(text: str, *, method: str, path: str, body: Any) -> Key:
    """The key of a request; the fingerprint is over method, path and canonical body.

    Raises:
        BadKey: see the class.
    """
    if not _KEY.fullmatch(text):
        raise BadKey(f"Idempotency-Key must have 1 to {KEY_CHARACTERS} printable ASCII characters")
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return Key(text, hashlib.sha256(f"{method}\n{path}\n{canonical}".encode()).digest())


def recall(tenant_id: UUID, mode: str, known: Key) -> Answer:
    """The first request's answer.

    Raises:
        KeyReused: the first request was another one.
        InProgress: the record is not there: the first request was undone meanwhile.
    """
    found = remembered(tenant_id, mode, known)
    if found is None:
        raise InProgress
    return found


def remembered(tenant_id: UUID, mode: str, known: Key) -> Answer | None:
    """The first request's answer, None where this is the first.

    Raises:
        KeyReused: the first request was another one.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT fingerprint, status, body::text FROM notifications_idempotencyrecord"
            " WHERE tenant_id = %s AND mode = %s AND key = %s AND expires_at > now()",
            [tenant_id, mode, known.text],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    fingerprint, status, body = row
    if bytes(fingerprint) != known.fingerprint:
        raise KeyReused
    return Answer(status, json.loads(body), replayed=True)


def refused(tenant_id: UUID, made: Collection[UUID]) -> dict[UUID, str]:
    """Those of these that ended as they were accepted, with the reason, whatever came later."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, reason FROM notifications_notification"
            " WHERE tenant_id = %s AND id = ANY(%s)"
            " AND status = 'suppressed' AND settled_at = created_at",
            [tenant_id, list(made)],
        )
        return dict(cursor.fetchall())
