"""Take: keep what a mail to a return path reports, as receipts like any other.

Who has read a mail knows its return path, so what is said through it is believed of that try alone
and of those alone it was for: nobody can have another address suppressed, and however much is sent,
one report of a kind is kept for each of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from django.db import connection

from delivery.driver import Report
from delivery.inbound.read import Said, read
from delivery.receive import keep
from hiram.lib import ids
from notifications.suppression import normalised
from tenants.models import Provider

_ASKED = """
SELECT a.provider_id, n.recipient, coalesce(c.payload->'cc', '[]')::text,
       coalesce(c.payload->'bcc', '[]')::text
  FROM notifications_attempt a
  JOIN notifications_notification n ON n.id = a.subject_id
  LEFT JOIN notifications_content c ON c.id = n.content_id
 WHERE a.id = %s AND NOT a.shadow
"""


class Taken(StrEnum):
    """What became of a mail.

    kept: a receipt. no_report: it is for people, or of another kind. unknown_attempt: the attempt,
    or its provider, is not there any more. other_recipient: it is about somebody else.
    """

    KEPT = "kept"
    NO_REPORT = "no_report"
    UNKNOWN_ATTEMPT = "unknown_attempt"
    OTHER_RECIPIENT = "other_recipient"


def take(attempt_id: UUID, mail: bytes, *, from_nobody: bool) -> Taken:
    """Keep what `mail`, which came to this attempt's return path, reports.

    Raises:
        django.db.OperationalError: nothing was kept, or during the commit that is unknown; the
            same mail again does no harm.
    """
    said = read(mail, from_nobody=from_nobody)
    if not said:
        return Taken.NO_REPORT
    with connection.cursor() as cursor:
        cursor.execute(_ASKED, [attempt_id])
        row = cursor.fetchone()
    provider = Provider.objects.filter(pk=row[0]).first() if row else None
    if row is None or provider is None:
        return Taken.UNKNOWN_ATTEMPT
    about = _about(said, row[1], [*json.loads(row[2]), *json.loads(row[3])])
    if not keep(provider, [_report(attempt_id, one, recipient) for one, recipient in about]):
        return Taken.UNKNOWN_ATTEMPT
    return Taken.KEPT if about else Taken.OTHER_RECIPIENT


def _about(said: list[Said], recipient: str, copies: Sequence[str]) -> list[tuple[Said, str]]:
    """Each report with whom of ours it is about.

    A server that forwards names whom it forwarded to: where there is one of each, it is the one.
    """
    ours = {normalised(address): address for address in (*copies, recipient)}
    found = [(one, ours[name]) for one in said for name in [_first(one, ours)] if name is not None]
    if not found and len(said) == len(ours) == 1:
        return [(said[0], recipient)]
    return found


def _first(said: Said, ours: dict[str, str]) -> str | None:
    return next((name for name in map(normalised, said.names) if name in ours), None)


def _report(attempt_id: UUID, said: Said, recipient: str) -> Report:
    echo = ids.show("att", attempt_id)
    return Report(
        said.kind,
        echo=echo,
        event_id=f"{echo}/{said.kind}/{said.hard}",
        at=said.at,
        recipient=recipient,
        hard=said.hard,
        code=said.code,
        description=said.description,
        raw=said.raw,
    )
