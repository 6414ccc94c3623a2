"""`python -m notifications.renderer`: renders what comes in by its standard input, a socket."""

from __future__ import annotations

from notifications.renderer import lean

lean.leave_out()

from notifications.renderer.serving import serve  # noqa: E402

serve()
