"""`doctor`: is everything there that Hiram needs, and if not, what to do."""

from __future__ import annotations

from typing import Any

from delivery.management.diagnosis import BROKEN, OK, diagnose
from hiram.lib.commands import Command as Base


class Command(Base):
    """See the module."""

    help = (
        "Examine configuration, database, Redis, broker, beat, migrations, clock, providers and"
        " the queue, and say what to do. Exit status 1 when something is broken."
    )
    examples = "manage.py doctor"

    def work(self, **options: Any) -> dict[str, Any]:
        """Examine all."""
        found = diagnose()
        self.failed = any(finding.state == BROKEN for finding in found)
        return {"ok": not self.failed, "checks": [finding.as_dict() for finding in found]}

    def show(self, facts: dict[str, Any]) -> str:
        """A line a check, and below it what to do."""
        lines = []
        for check in facts["checks"]:
            lines.append(f"{check['state']:<8} {check['check']}: {check['detail']}")
            if check["state"] != OK and check["remedy"]:
                lines.append(f"         -> {check['remedy']}")
        return "\n".join(lines)
