"""A process that forks between two sends: `python -m tests.drivers.forking PORT`."""

from __future__ import annotations

import os
import sys

from django.conf import settings

from delivery.driver import Sent
from delivery.drivers.smtp import Smtp
from hiram.lib import http
from tests.drivers.conformance import DEVELOPMENT, SECONDS
from tests.drivers.smtp_account import MESSAGE, account


def main(port: int) -> None:
    """Send, then send in a child, then again; print who sent."""
    settings.configure()
    http.use(DEVELOPMENT)
    smtp = Smtp()

    def send(who: str) -> None:
        answer = smtp.send(account(port), MESSAGE, timeout=SECONDS)
        print(who if isinstance(answer, Sent) else answer, flush=True)  # noqa: T201

    send("parent")
    child = os.fork()
    if not child:
        send("child")
        os._exit(0)
    os.waitpid(child, 0)
    send("parent")
    smtp.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
