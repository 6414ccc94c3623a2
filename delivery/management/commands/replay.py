"""`replay`: owe a tenant's dead-lettered notifications again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, get_args
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from hiram.lib import ids
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandError, CommandParser
from notifications.channel import Category
from notifications.models import DeadLetter, Mode, Notification
from notifications.replay import REPLAYED_MOST, replay
from tenants.management.arguments import find_tenant

BAR = 40


class Command(Base):
    """The oldest first, in chunks that are each all or nothing; safe to interrupt and repeat."""

    help = (
        "Replay a tenant's dead letters: what failed is owed again, with its tries and its time to"
        " live anew. Look with --dry-run first; --per-second spares the provider."
    )
    examples = "manage.py replay tnt_01M7... --reason bad_account --per-second 5 --dry-run"

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, which, how fast."""
        parser.add_argument("tenant", metavar="TENANT", help="The tenant's id or name.")
        parser.add_argument("--mode", choices=Mode.values, default=None, help="Only this mode's.")
        parser.add_argument("--reason", help="Only those that failed for this reason.")
        parser.add_argument("--channel", help="Only this channel's.")
        parser.add_argument("--category", choices=get_args(Category), help="Only this category's.")
        parser.add_argument(
            "--per-second", type=float, help="How many become due a second; left out: all at once."
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Count them, and change nothing."
        )

    def work(self, *, tenant: str, **options: Any) -> dict[str, Any]:
        """Replay them."""
        pace = options["per_second"]
        if pace is not None and not 0 < pace <= 1_000:
            raise CommandError("--per-second must be above 0, and 1000 at most")
        found = find_tenant(tenant)
        letters = _letters(found.pk, options)
        matched, replayed = letters.count(), 0
        for chunk in () if options["dry_run"] else _chunks(letters):
            pause = 1 / pace if pace else 0
            replayed += len(replay(chunk, pause_seconds=pause, begun=replayed))
            _draw(replayed, matched)
        return {
            "tenant_id": ids.show("tnt", found.pk),
            "matched": matched,
            "replayed": replayed,
        }


def _letters(tenant_id: UUID, options: dict[str, Any]) -> QuerySet[DeadLetter]:
    asked = {name: options[name] for name in ("mode", "channel", "category") if options[name]}
    row = Notification.objects.filter(
        tenant_id=tenant_id, pk=OuterRef("notification_id"), body_erased_at=None, **asked
    )
    letters = DeadLetter.objects.filter(Exists(row), tenant_id=tenant_id, closed_at=None)
    return letters.filter(reason=options["reason"]) if options["reason"] else letters


def _chunks(letters: QuerySet[DeadLetter]) -> Iterator[list[UUID]]:
    ordered = letters.order_by("notification_id").values_list("notification_id", flat=True)
    last = UUID(int=0)
    while chunk := list(ordered.filter(notification_id__gt=last)[:REPLAYED_MOST]):
        yield chunk
        last = chunk[-1]


def _draw(done: int, total: int) -> None:
    """A bar for who looks on; standard output has the answer alone."""
    if sys.stderr.isatty():
        filled = BAR * done // max(total, 1)
        sys.stderr.write(f"\r[{'#' * filled:<{BAR}}] {done}/{total}")
        sys.stderr.flush()
