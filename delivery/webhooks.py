"""Webhooks: an event, posted to where its tenant wants to be told.

Its rows walk the street as notifications do. What is special is here: what is posted, how an
answer is to be read, and when an endpoint is given up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import requests
from django.db import connection

from delivery.claim import Claim
from delivery.driver import Answer, Failed, Fault, Sent, Unknown
from delivery.http_driver import Call, Unsendable
from delivery.http_driver.retry_after import retry_after
from delivery.limits import limits
from delivery.signature import signature
from delivery.work import Fate, Stuck, Work
from hiram.lib import ids
from hiram.lib.excerpt import excerpt
from hiram.lib.http import NotSent, Refused, deadline, session
from hiram.lib.text import decoded
from hiram.lib.vault import SealBroken
from notifications.events import payload
from notifications.models import Event, Notification, WebhookEndpoint
from tenants.policy import Policy

TOPIC = "webhook"
STEPS_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Waits after the first try, which is at once; after the last one it is given up."""

RULES = Policy(STEPS_SECONDS, tries_most=len(STEPS_SECONDS) + 1)
EXCERPT_CHARACTERS = 1_000
ANSWER_OCTETS = 64 * 1024
CONNECTIONS = 64
LIMITED, DISABLED = "webhook_limited", "webhook_disabled"

_LOAD = """
SELECT d.id, e.id, e.notification_id, e.mode, e.type, e.data::text, e.created_at,
       n.id, n.channel, n.recipient, n.category, n.metadata::text, n.traceparent,
       w.id, w.tenant_id, w.url, w.sealed, w.rate_limit, w.asymmetric, w.disabled_at
  FROM notifications_webhookdelivery d
  JOIN notifications_event e ON e.id = ANY(ARRAY[d.event_id])
  LEFT JOIN notifications_notification n ON n.id = ANY(ARRAY[e.notification_id])
  JOIN notifications_webhookendpoint w ON w.id = d.endpoint_id
 WHERE d.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting(Work):
    """One post of one event, the same on every try but for its time and its signatures."""

    endpoint_id: UUID
    event_id: str
    url: str
    body: bytes
    kept: Mapping[str, Any]
    asymmetric: bool

    @property
    def shown(self) -> str:
        """The delivery's public id."""
        return ids.show("whd", self.claim.id)

    @property
    def channel(self) -> str:
        """The topic."""
        return TOPIC

    @property
    def driver_name(self) -> str:
        """The topic."""
        return TOPIC

    @property
    def server(self) -> str | None:
        """The host that is called, for traces."""
        return urlsplit(self.url).hostname

    def send(self, timeout: float) -> Answer:
        """Post once within `timeout` seconds. Nothing is followed, little is read."""
        at = int(time.time())
        headers = {
            **self.kept["headers"],
            **signature(self.event_id, at, self.body, self.kept, asymmetric=self.asymmetric),
            "Content-Type": "application/json",
            "User-Agent": "Hiram",
        }
        try:
            with deadline(timeout):
                request = Call(self.url, headers, self.body).prepared()
                response = _session().get_adapter(self.url).send(request)
        except (NotSent, Unsendable) as error:
            fault = Fault.BAD_ADDRESS if isinstance(error, Unsendable) else Fault.TRANSIENT
            fault = Fault.BAD_ACCOUNT if isinstance(error, Refused) else fault
            return Failed(fault, str(error))
        except (requests.RequestException, OSError) as error:
            return Unknown(f"no whole answer came ({type(error).__name__})")
        return self._read(response)

    def _read(self, response: requests.Response) -> Answer:
        status, code = response.status_code, str(response.status_code)
        said = excerpt(decoded(response.content), most=EXCERPT_CHARACTERS)
        if 200 <= status < 300:
            digest = sha256(self.body).hexdigest()
            return Sent(code=code, response=said, payload_sha256=digest)
        if status == 410:
            return Failed(
                Fault.BAD_ADDRESS, "HTTP 410: it wants no more", code=code, response=said
            )
        wait = retry_after(response.headers) if status in (429, 503) else None
        fault = Fault.THROTTLED if status in (429, 503) else Fault.TRANSIENT
        return Failed(fault, f"HTTP {status}", wait, code, response=said)


@lru_cache(maxsize=1)
def _session() -> requests.Session:
    return session(max_bytes=ANSWER_OCTETS, connections=CONNECTIONS)


def compose(claims: Sequence[Claim]) -> list[Work | Stuck]:
    """The post of each claim, in one read for all of them."""
    if not claims:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_LOAD, [[c.id for c in claims]])
        rows = {row[0]: row[1:] for row in cursor.fetchall()}
    return [_compose(c, rows.get(c.id)) for c in claims]


def _compose(claim: Claim, row: Any) -> Work | Stuck:
    if row is None:
        return Stuck(claim, "endpoint_gone", Fate.FAIL)
    event, notification, endpoint = _rows(row)
    if endpoint.disabled_at is not None:
        return Stuck(claim, DISABLED, Fate.PARK)
    if endpoint.rate_limit and (wait := limits().take(endpoint.pk, endpoint.rate_limit)):
        return Stuck(claim, LIMITED, Fate.PARK, wait)
    try:
        kept = endpoint.open()
    except SealBroken as error:
        return Stuck(claim, "credentials", Fate.WAIT, 60, detail=str(error))
    return Posting(
        # All that is told of a notification is in its trace, long after its own row is gone.
        claim=replace(claim, traceparent=notification.traceparent if notification else None),
        attempt_id=ids.new(),
        rules=RULES,
        lifetime=float("inf"),
        unknown_seconds=0,
        endpoint_id=endpoint.pk,
        event_id=ids.show("evt", event.pk),
        url=endpoint.url,
        body=json.dumps(payload(event, notification), separators=(",", ":")).encode(),
        kept=kept,
        asymmetric=endpoint.asymmetric,
    )


def _rows(row: Any) -> tuple[Event, Notification | None, WebhookEndpoint]:
    event = Event(
        id=row[0], notification_id=row[1], mode=row[2], type=row[3], data=json.loads(row[4]),
        created_at=row[5],
    )  # fmt: skip
    notification = row[6] and Notification(
        id=row[6],
        channel=row[7],
        recipient=row[8],
        category=row[9],
        metadata=json.loads(row[10]),
        traceparent=row[11],
    )
    endpoint = WebhookEndpoint(
        id=row[12], tenant_id=row[13], url=row[14], sealed=bytes(row[15]), rate_limit=row[16],
        asymmetric=row[17], disabled_at=row[18],
    )  # fmt: skip
    return event, notification, endpoint
