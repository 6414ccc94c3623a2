"""The vendors' clouds and our own API behind one HTTP address."""

from __future__ import annotations

from collections.abc import Sequence

from delivery.simulator import gate
from delivery.simulator.api import Api
from delivery.simulator.callbacks import Caller
from delivery.simulator.faults import Faults
from delivery.simulator.mailbox import Mailbox
from delivery.simulator.resend import Resend
from delivery.simulator.twilio import Twilio
from delivery.simulator.web import Request, Response, problem


class Cloud:
    """What the HTTP endpoints answer: the vendors by their prefixes, and our own API."""

    def __init__(
        self, mailbox: Mailbox, faults: Faults, allowed_hosts: Sequence[str], page: str = ""
    ) -> None:
        self.mailbox = mailbox
        self.faults = faults
        self._allowed_hosts = frozenset(name.lower() for name in allowed_hosts)
        self.caller = Caller()
        self._resend = Resend(mailbox, faults, self.caller)
        self._twilio = Twilio(mailbox, faults, self.caller)
        self._api = Api(mailbox, faults, self.caller, page)

    def gate(self, request: Request) -> Response | None:
        """Refuse what a web page of somebody else's sent, and what was ordered to be refused."""
        objection = gate.objection(request.headers, self._allowed_hosts)
        if objection is not None:
            return problem(403, objection)
        if request.path.startswith("/resend/"):
            return self._resend.gate()
        if request.path.startswith("/twilio/"):
            return self._twilio.gate()
        return None

    def answer(self, request: Request) -> Response:
        """Answer a request."""
        if request.path.startswith("/resend/"):
            return self._resend.answer(request, request.path.removeprefix("/resend"))
        if request.path.startswith("/twilio/"):
            return self._twilio.answer(request, request.path.removeprefix("/twilio"))
        return self._api.answer(request)

    def clear(self) -> None:
        """Begin anew: no mail, no arrivals, no faults, no idempotency keys."""
        self.mailbox.clear()
        self.faults.clear()
        self._resend.keys.clear()
        self.caller.answers.clear()
