"""`manage.py audit`: prove that nothing is lost."""

from __future__ import annotations

from typing import Any

from delivery.audit import audit
from hiram.lib.commands import Command as BaseCommand


class Command(BaseCommand):
    """Exit status 1 when an invariant is broken."""

    help = (
        "Check, in one snapshot over all rows, that everything accepted is settled or owed, and"
        " name every row that breaks it. Reads only. Exit status 1 when something is broken."
    )
    examples = "manage.py audit --json"

    def work(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Audit."""
        facts = audit().as_dict()
        self.failed = bool(facts["broken"])
        return facts

    def show(self, facts: dict[str, Any]) -> str:
        """A line for each tenant and channel, then the broken rows."""
        lines = [
            f"{b['tenant']}  {b['channel']:<8} accepted {b['accepted']:>9} = terminal"
            f" {b['terminal']:>9} + owed {b['owed']:>7}"
            for b in facts["balances"]
        ]
        lines += [f"BROKEN {b['check']}  {b['id']}  {b['tenant']}" for b in facts["broken"]]
        lines += [f"BROKEN {check}: {n} rows" for check, n in facts["broken_counts"].items()]
        verdict = "BROKEN" if facts["broken"] else "nothing lost"
        total = (
            f"accepted {facts['accepted']} = terminal {facts['terminal']} + owed {facts['owed']}"
        )
        return "\n".join([*lines, f"{verdict}: {total}"])
