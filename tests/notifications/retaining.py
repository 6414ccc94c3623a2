"""Bodies with a code in them, delivered in this process, and erased."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import F

from delivery.claim import begin, claim
from delivery.compose import compose
from delivery.driver import Failed, Fault, Sent
from delivery.settle import settle
from delivery.verdict import Result
from delivery.work import Work
from notifications.models import Lane, Notification
from notifications.retention import Sweeper
from tenants.decisions import PolicyChange, decide
from tenants.models import Tenant
from tests.factories import email
from tests.walk import found

CODE = "719-727-CANARY"
REFUSED = Failed(Fault.BAD_ADDRESS, "550 no such user", code="550")
AGAIN = Failed(Fault.TRANSIENT, "451 later", code="451")
SENT = Sent(code="250")
KEPT = {"notifications_content.payload", "notifications_notification.subject"}
"""Where the code of `secret` stands."""


def secret(**fields: Any) -> dict[str, Any]:
    """A mail that has the code in all its parts."""
    return email(subject=f"Your code {CODE}", body=CODE, html=f"<b>{CODE}</b>", **fields)


def keep(tenant: Tenant, seconds: int | None, category: str = "transactional") -> None:
    decide(tenant.pk, category, PolicyChange.model_validate({"retain_seconds": seconds}))


def begun(count: int = 1) -> list[Work]:
    """Claim as many rows and put their attempts on record."""
    Lane.objects.update(max_in_flight=1_000)
    works = [work for work in compose(claim(count)) if isinstance(work, Work)]
    begin([work.attempt() for work in works])
    return works


def answered(*answers: Any) -> None:
    works = begun(len(answers))
    settle([Result(w, said, 0.01) for w, said in zip(works, answers, strict=True)])


def sweep() -> None:
    """All that is due, as a process does that has just begun."""
    sweeper = Sweeper()
    while sweeper.step():
        pass


def age(seconds: float) -> None:
    """So much later it is, for what has ended."""
    Notification.objects.filter(settled_at__isnull=False).update(
        settled_at=F("settled_at") - timedelta(seconds=seconds)
    )


def hits(text: str = CODE) -> set[str]:
    with connection.cursor() as cursor:
        return found(cursor, text)
