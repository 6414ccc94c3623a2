"""`rotate_encryption`: seal every provider's credentials with the first key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from hiram.lib import ids
from hiram.lib.commands import Command as Base
from hiram.lib.commands import table
from hiram.lib.vault import SealBroken
from tenants.models import Provider
from tenants.models.provider import vault

CHUNK = 500


class Command(Base):
    """Safe to repeat, to interrupt, and beside others: a row changed meanwhile is looked at again.

    What a provider holds does not change, so its connections and its pause stay as they are.
    """

    help = (
        "Re-encrypt all stored credentials with the first of HIRAM_ENCRYPTION_KEYS. Put the new"
        " key in front, restart every process, run this until it exits with 0, and only then take"
        " the old key away. Exit status 1: some credentials cannot be read with any key; they are"
        " listed, and have to be set anew."
    )
    examples = "manage.py rotate_encryption --json"

    def work(self, **options: Any) -> dict[str, Any]:
        """Re-encrypt what needs it."""
        counts = {"rotated": 0, "current": 0}
        unreadable = []
        for provider in _all():
            try:
                counts["rotated" if _rotate(provider) else "current"] += 1
            except SealBroken as error:
                unreadable.append(
                    {
                        "provider_id": ids.show("prv", provider.pk),
                        "tenant_id": ids.show("tnt", provider.tenant_id),
                        "name": provider.name,
                        "why": str(error),
                    }
                )
        self.failed = bool(unreadable)
        return {**counts, "unreadable": unreadable}

    def show(self, facts: dict[str, Any]) -> str:
        """Counts, then what cannot be read."""
        lost = facts.pop("unreadable")
        said = super().show(facts)
        if not lost:
            return said
        return f"{said}\n\nCannot be read, set these credentials anew:\n" + table(
            lost, ("provider_id", "tenant_id", "name", "why")
        )


def _all() -> Iterator[Provider]:
    """Every provider, in chunks by id; those that are made meanwhile have the first key."""
    last = UUID(int=0)
    while True:
        chunk = list(Provider.objects.filter(pk__gt=last).order_by("pk")[:CHUNK])
        yield from chunk
        if len(chunk) < CHUNK:
            return
        last = chunk[-1].pk


def _rotate(provider: Provider) -> bool:
    """Whether it was needed and done."""
    while True:
        old = bytes(provider.sealed)
        opened = provider.open()
        if not old or vault.is_current(old):
            return False
        provider.seal(opened)
        same = Provider.objects.filter(pk=provider.pk, sealed=old)
        if same.update(sealed=provider.sealed):
            return True
        changed = Provider.objects.filter(pk=provider.pk).first()
        if changed is None:
            return False
        provider.sealed = changed.sealed
