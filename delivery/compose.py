"""Compose: make of each claimed row the message and the way it goes, or say why it cannot go."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import connection

from delivery import webhooks
from delivery.accounts import with_sender
from delivery.choice import Past, Reason
from delivery.claim import Claim
from delivery.copies import suppressed
from delivery.driver import Answer, Attachment, Copy, Failed, Fault, Message, Missing, Sent
from delivery.route import Route, simulator
from delivery.routing import NoWay, Routes, Way
from delivery.work import Fate, Shadowed, Stuck, Work
from hiram.lib import ids
from notifications import undisturbed
from notifications.links import with_unsubscribe
from notifications.refusal import refused
from tenants.policy import OnUnknown, Policy, policy

_REFUSED = refused(row="n", tenant="n.tenant_id", mode="n.mode", address="n.address", policy="p")
_LOAD = f"""
SELECT n.id, n.mode, n.channel, n.recipient, n.generation, n.created_at, n.category,
       extract(epoch FROM now() - n.scheduled_at)::float,
       extract(epoch FROM n.expires_at - greatest(n.created_at, n.scheduled_at))::float,
       {_REFUSED}, coalesce(p.required, false), c.payload::text,
       jsonb_build_object('retry_steps_seconds', p.retry_steps_seconds,
                          'on_unknown', p.on_unknown, 'missed_run', p.missed_run,
                          'send_within_seconds', p.send_within_seconds)::text,
       (SELECT jsonb_agg(jsonb_build_array(a.outcome, a.provider_id, a.fence) ORDER BY a.number)
          FROM notifications_attempt a WHERE a.subject_id = n.id)::text,
       n.chosen_provider_id, n.sender_scope, {undisturbed.asked(row="n")}
  FROM notifications_notification n
  JOIN notifications_content c ON c.id = ANY(ARRAY[n.content_id])
  LEFT JOIN tenants_categorypolicy p ON p.tenant_id = n.tenant_id AND p.category = n.category
 WHERE n.id = ANY(%s)
"""

DOUBTFUL = ("unknown", "abandoned", "started")
"""Outcomes after which the provider may have the message; an open attempt of an earlier claim is
one that its worker abandoned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending(Work):
    """One message on its way. `asks_first`: the provider may have it, and is asked before it is
    given it again. `spared` are those of its cc and bcc that are suppressed, and left out."""

    message: Message
    asks_first: bool = False
    spared: frozenset[str] = frozenset()

    @property
    def shown(self) -> str:
        """The notification's public id."""
        return ids.show("ntf", self.claim.id)

    @property
    def channel(self) -> str:
        """The message's."""
        return self.message.channel

    @property
    def server(self) -> str | None:
        """The host that is called, for traces."""
        fields = self.route and self.route.account.settings
        url = getattr(fields, "api_url", "") or ""
        return getattr(fields, "host", None) or urlsplit(url).hostname

    def send(self, timeout: float) -> Answer | Shadowed:
        """Call the provider once within `timeout` seconds, or only hash what it would be given."""
        if self.route is None:
            return Shadowed(_digest(json.dumps(asdict(self.message), default=_plain).encode()))
        if not self.shadow:
            return self._call(self.route, timeout)
        try:
            payload = self.route.driver.payload(self.route.account, self.message)
        except ValueError as error:
            return Failed(Fault.BAD_CONTENT, str(error))
        return Shadowed(_digest(payload))

    def _call(self, route: Route, timeout: float) -> Answer:
        until = time.monotonic() + timeout
        if self.asks_first:
            found = route.driver.look_up(route.account, self.message, timeout=timeout / 2)
            if not isinstance(found, Missing):
                return found
        left = until - time.monotonic()
        answer = route.driver.send(route.account, self.message, timeout=left)
        if not (self.spared and isinstance(answer, Sent)):
            return answer
        spared = (Copy(address, False, detail="suppressed") for address in sorted(self.spared))
        return replace(answer, copies=(*answer.copies, *spared))


def compose(claims: Sequence[Claim]) -> list[Work | Stuck]:
    """What each claim is about, in one read for all of a topic."""
    hooks = [c for c in claims if c.topic == webhooks.TOPIC]
    return [
        *_messages([c for c in claims if c.topic != webhooks.TOPIC]),
        *webhooks.compose(hooks),
    ]


def _messages(claims: Sequence[Claim]) -> list[Work | Stuck]:
    if not claims:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_LOAD, [[c.id for c in claims]])
        rows = {row[0]: row[1:] for row in cursor.fetchall()}
    routes = Routes((c.tenant_id for c in claims), {row[13] for row in rows.values() if row[13]})
    # Where a provider takes only some of them, the more urgent ones are these.
    urgent = sorted(claims, key=attrgetter("rank"))
    composed = [_compose(c, rows.get(c.id), routes) for c in urgent]
    return _sparing(composed, {key: row[0] for key, row in rows.items()})


def _sparing(composed: list[Work | Stuck], modes: Mapping[UUID, str]) -> list[Work | Stuck]:
    """The same, without the copies that would go to suppressed addresses."""
    sending = [one for one in composed if isinstance(one, Sending)]
    found = suppressed([(s.claim.tenant_id, modes[s.claim.id], s.message) for s in sending])
    spared = {s.claim.id: gone for s, gone in zip(sending, found, strict=True) if gone}
    return [
        _without(one, spared[one.claim.id])
        if isinstance(one, Sending) and one.claim.id in spared
        else one
        for one in composed
    ]


def _without(work: Sending, gone: frozenset[str]) -> Sending:
    cc, bcc = (
        tuple(address for address in addresses if address not in gone)
        for addresses in (work.message.cc, work.message.bcc)
    )
    return replace(work, message=replace(work.message, cc=cc, bcc=bcc), spared=gone)


def _compose(claim: Claim, row: Any, routes: Routes) -> Work | Stuck:
    if row is None:
        return Stuck(claim, "content_gone", Fate.FAIL)
    mode, channel, recipient, generation, created_at, category, late, lifetime = row[:8]
    refusal, is_required, *texts = row[8:13]
    payload, decided, attempts = (json.loads(text or "[]") for text in texts)
    if refusal:
        return _suppressed(claim, refusal, attempts)
    rules = policy(category, decided)
    if late is not None and not attempts and rules.misses(late):
        return Stuck(claim, "missed_run", Fate.EXPIRE)
    attempt_id = ids.new()
    shown = ids.show("ntf", claim.id)
    try:
        message = Message(
            key=f"{shown}-{generation}" if generation else shown,
            channel=channel,
            recipient=recipient,
            at=created_at,
            attempt_id=ids.show("att", attempt_id),
            **_fields(
                payload, category, claim.id if channel == "email" and not is_required else None
            ),
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        return Stuck(claim, "unreadable", Fate.FAIL, detail=type(error).__name__)
    past = _past(attempts, claim.released_fence)
    found = _routed(claim, message, row, past, rules, routes)
    if isinstance(found, Stuck):
        return found
    way = found and replace(found, scope=row[14])
    shadow = way is None or (mode != "live" and way.route.provider_id is not None)
    composed = with_sender(message, way.route.account) if way else message
    return Sending(
        claim=claim,
        attempt_id=attempt_id,
        rules=rules,
        lifetime=lifetime,
        way=way,
        shadow=shadow,
        message=composed,
        asks_first=_asks_first(past, rules),
    )


def _routed(
    claim: Claim, message: Message, row: Any, past: Past, rules: Policy, routes: Routes
) -> Way | Stuck | None:
    """The way that it goes now, if it does."""
    mode, chosen, wishes = row[0], row[13], row[15]
    back = None
    if _asks_first(past, rules):
        if rules.on_unknown is OnUnknown.VERIFY:
            back = _asked(claim, mode, message, past, routes)
        if back is None:
            return Stuck(claim, "unknown", Fate.HOLD)
    # Before a way is chosen: that takes of what a provider may be given in a second.
    if ready := undisturbed.until(wishes):
        return Stuck(claim, undisturbed.REASON, Fate.DEFER, until=ready)
    found = back or _way(claim, mode, message, past, routes, scoped=chosen)
    return _stuck(claim, found) if isinstance(found, NoWay) else found


def _asks_first(past: Past, rules: Policy) -> bool:
    """Whether nothing is sent before the provider has said that it has not got it."""
    return past.is_doubtful and rules.on_unknown is not OnUnknown.RETRY


def _suppressed(claim: Claim, reason: str, attempts: list[tuple[str, str | None, int]]) -> Stuck:
    # Of what a provider may have, it cannot be said that it was not sent.
    left = any(outcome in DOUBTFUL for outcome, _, _ in attempts)
    return Stuck(claim, reason, Fate.FAIL if left else Fate.SUPPRESS)


def _past(attempts: list[tuple[str, str | None, int]], released_fence: int) -> Past:
    refusals = Counter(UUID(by) for outcome, by, _ in attempts if by and outcome == "refused")
    doubts = [
        by for outcome, by, fence in attempts if outcome in DOUBTFUL and fence > released_fence
    ]
    by = doubts[-1] if doubts else None
    return Past(refusals, UUID(by) if by else None, is_doubtful=bool(doubts))


def _way(
    claim: Claim, mode: str, message: Message, past: Past, routes: Routes, scoped: UUID | None
) -> Way | NoWay | None:
    """Live goes to a provider; test to the simulator; what has neither goes nowhere, in shadow."""
    if mode == "test" and (sandbox := simulator(message.channel, message.sender)):
        return Way(sandbox, Reason.SIMULATOR)
    way = routes.choose(claim.tenant_id, message.channel, message.sender, past, scoped)
    if mode != "live" and isinstance(way, NoWay):
        return None
    return way


def _asked(claim: Claim, mode: str, message: Message, past: Past, routes: Routes) -> Way | None:
    """The way to the provider that may have it, if that can be asked."""
    if mode == "test" and (sandbox := simulator(message.channel, message.sender)):
        way: Way | None = Way(sandbox, Reason.SIMULATOR)
    else:
        way = routes.back(claim.tenant_id, past.doubtful)
    return way if way and way.route.driver.looks_up else None


def _stuck(claim: Claim, no: NoWay) -> Stuck:
    fate = Fate.PARK if no.parks else Fate.WAIT if no.seconds else Fate.FAIL
    return Stuck(claim, no.reason, fate, no.seconds)


def _fields(payload: dict[str, Any], category: str, mail: UUID | None) -> dict[str, Any]:
    """The message's fields; `mail` is the notification if somebody can unsubscribe from it."""
    attachments = tuple(
        Attachment(a["filename"], a["content_type"], base64.b64decode(a["content"]))
        for a in payload.pop("attachments", ())
    )
    lists = {name: tuple(payload.pop(name, ())) for name in ("cc", "bcc")}
    headers = dict(payload.pop("headers", {}))
    asks = payload.pop("unsubscribe", False) or category == "marketing"
    if asks and mail is not None:
        headers = with_unsubscribe(headers, mail)
    if not all(isinstance(value, str) for value in payload.values()):
        raise TypeError("a text is not text")
    return {**payload, **lists, "headers": headers, "attachments": attachments}


def _digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


def _plain(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
