"""`restore_fence`: keep an instance that was started from a copy from sending anything twice."""

from __future__ import annotations

from typing import Any

from delivery import fence
from hiram.lib import rfc3339
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandParser


class Command(Base):
    """Raised before the workers start, released when somebody has looked."""

    help = (
        "For an instance whose database was restored from a backup: raise the fence, and nothing is"
        " sent, by any process, until it is released. Run it before the workers start. Requests"
        " are accepted and owed meanwhile. Safe to repeat."
    )
    examples = "manage.py restore_fence"

    def add_arguments(self, parser: CommandParser) -> None:
        """Which of the three."""
        verbs = parser.add_mutually_exclusive_group()
        verbs.add_argument(
            "--release", action="store_true", help="Lower it: what is owed is sent."
        )
        verbs.add_argument("--status", action="store_true", help="Only say how it stands.")

    def work(self, *, release: bool, status: bool, **options: Any) -> dict[str, Any]:
        """Raise it, release it, or only look."""
        done: dict[str, Any] = {}
        if release:
            done = {"released": fence.release_fence()}
        elif not status:
            ended = fence.raise_fence()
            done = {"abandoned": ended.abandoned, "leases_ended": ended.leases}
        now = fence.standing()
        return {
            "up": now.raised_at is not None,
            "raised_at": rfc3339.show_if(now.raised_at),
            "owed": now.owed,
            "due": now.due,
            **done,
        }

    def show(self, facts: dict[str, Any]) -> str:
        """In sentences."""
        owed = f"{facts['owed']} owed, {facts['due']} of them due"
        if not facts["up"]:
            was = "" if facts.get("released", True) else " It was not up."
            return f"The restore fence is down: what is due is sent.{was}\n{owed}"
        lines = [f"The restore fence is up since {facts['raised_at']}: nothing is sent.", owed]
        if "abandoned" in facts:
            lines.append(
                f"{facts['abandoned']} calls were open in the copy, now recorded as abandoned;"
                f" {facts['leases_ended']} leases ended"
            )
        lines.append(
            "What was sent after the copy was made is among what is owed, and is sent again after"
            "\nmanage.py restore_fence --release"
        )
        return "\n".join(lines)
