"""A process that forks between two sends: `python -m tests.drivers.forking_over_http URL`."""

from __future__ import annotations

import os
import sys

from delivery.driver import Sent
from delivery.drivers.twilio import Twilio
from hiram.lib import http
from tests.drivers.conformance import DEVELOPMENT, SECONDS
from tests.drivers.test_http_driver import account
from tests.drivers.test_twilio import TEXT


def main(address: str) -> None:
    """Send, then send in a child, then again; print who sent."""
    http.use(DEVELOPMENT)
    twilio = Twilio()

    def send(who: str) -> None:
        answer = twilio.send(account(address), TEXT, timeout=SECONDS)
        print(who if isinstance(answer, Sent) else answer, flush=True)  # noqa: T201

    send("parent")
    child = os.fork()
    if not child:
        send("child")
        twilio.close()
        os._exit(0)
    os.waitpid(child, 0)
    send("parent")
    twilio.close()


if __name__ == "__main__":
    main(sys.argv[1])
