"""The simulator's own API: the mailbox, the arrivals, the faults, the callbacks.

GET    /                                what is here; a browser is sent to the portal's page
GET    /messages                        newest first; `channel, recipient, subject, key,
                                        message_id, since, limit, cursor`
GET    /messages/{id}                   text, HTML, headers, attachments, envelope
GET    /messages/{id}/raw               as it came over the wire
GET    /messages/{id}/attachments/{n}   one file, from 0
DELETE /messages, /messages/{id}        forget; all of them: the arrivals too
GET    /count                           `{count, arrived}`, with the filters of the list
GET    /arrivals                        JSON lines, oldest first, from number `after` on
POST   /faults                          order one, see `delivery.simulator.orders`
GET    /faults                          with how often each happened
DELETE /faults, /faults/{id}            withdraw
GET    /callbacks                       how the vendors' callbacks were answered; 0 is none
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from pydantic import ValidationError

from delivery.simulator.callbacks import Caller
from delivery.simulator.faults import DOMAIN, NAMED, Faults
from delivery.simulator.mailbox import Filter, Mailbox, Received
from delivery.simulator.orders import Order
from delivery.simulator.views import asked, detail, file, shown, summary
from delivery.simulator.web import Request, Response, answer, problem

MAX_LIMIT = 500
DEFAULT_LIMIT = 50
ARRIVALS_A_PIECE = 1_000

_MEDIA_TYPES = {
    "smtp": "message/rfc822",
    "resend": "application/json",
    "twilio": "application/x-www-form-urlencoded",
}
_TEXT_FILTERS = ("channel", "recipient", "subject", "key", "message_id")


class Invalid(Exception):
    """A query that cannot be understood, with the RFC 9457 `errors`."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(errors)
        self.errors = errors


class Api:
    """Answers for the simulator itself."""

    def __init__(self, mailbox: Mailbox, faults: Faults, caller: Caller, page: str = "") -> None:
        """`page` is where a browser finds the mailbox as a page."""
        self._caller = caller
        self._page = page
        self._mailbox = mailbox
        self._faults = faults
        message = r"/messages/(?P<item>[^/]+)"
        routes: tuple[tuple[str, str, Callable[..., Response]], ...] = (
            ("GET", "/", self._guide),
            ("GET", "/messages", self._messages),
            ("DELETE", "/messages", self._clear),
            ("GET", message, self._message),
            ("DELETE", message, self._delete),
            ("GET", f"{message}/raw", self._raw),
            ("GET", rf"{message}/attachments/(?P<number>\d{{1,4}})", self._attachment),
            ("GET", "/count", self._count),
            ("GET", "/arrivals", self._arrivals),
            ("GET", "/faults", self._orders),
            ("POST", "/faults", self._order),
            ("DELETE", "/faults", self._withdraw_all),
            ("DELETE", "/faults/(?P<item>[^/]+)", self._withdraw),
            ("GET", "/callbacks", self._callbacks),
        )
        self._routes = [(method, re.compile(path), handler) for method, path, handler in routes]

    def answer(self, request: Request) -> Response:
        """Answer a request."""
        allowed = []
        for method, path, handler in self._routes:
            found = path.fullmatch(request.path)
            if found is None:
                continue
            if method == request.method:
                return self._call(handler, request, found.groupdict())
            allowed.append(method)
        if not allowed:
            return problem(404, "there is nothing at this path")
        response = problem(405, "this path does not take this method")
        response.headers["allow"] = ", ".join(allowed)
        return response

    def _call(
        self, handler: Callable[..., Response], request: Request, found: Mapping[str, str]
    ) -> Response:
        try:
            response = handler(request, **{name: unquote(value) for name, value in found.items()})
        except Invalid as error:
            return problem(400, "the query is not understood", error.errors)
        # What a stranger's message says must never run as a page of ours.
        response.headers |= {
            "x-content-type-options": "nosniff",
            "content-security-policy": "sandbox; default-src 'none'",
            "cross-origin-resource-policy": "same-origin",
            "cache-control": "no-store",
        }
        return response

    def _guide(self, request: Request) -> Response:
        if self._page and "text/html" in request.headers.get("accept", ""):
            return Response(303, headers={"location": self._page})
        named: dict[str, dict[str, Any]] = {}
        for (target, local), fault in NAMED.items():
            named.setdefault(local + DOMAIN, {})[target] = asked(fault.order)
        return answer(
            200,
            {
                "name": "Hiram's simulator",
                "messages": self._mailbox.count(Filter()),
                "arrived": self._mailbox.arrived,
                "recipients": named,
            },
        )

    def _callbacks(self, request: Request) -> Response:
        return answer(200, {"answers": list(self._caller.answers)})

    def _messages(self, request: Request) -> Response:
        query = _query(request, (*_TEXT_FILTERS, "since", "limit", "cursor"))
        limit = _whole(query, "limit", DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
        wanted = replace(_filter(query), before=_whole(query, "cursor", 0) or None)
        page: list[Received] = []
        for message in self._mailbox.find(wanted):
            if len(page) == limit:
                return answer(200, _page(page, str(page[-1].sequence)))
            page.append(message)
        return answer(200, _page(page, None))

    def _clear(self, request: Request) -> Response:
        self._mailbox.clear()
        return Response(204)

    def _message(self, request: Request, item: str) -> Response:
        message = self._mailbox.get(item)
        return _missing() if message is None else answer(200, detail(message))

    def _delete(self, request: Request, item: str) -> Response:
        return Response(204) if self._mailbox.delete(item) else _missing()

    def _raw(self, request: Request, item: str) -> Response:
        message = self._mailbox.get(item)
        if message is None:
            return _missing()
        extension = {"smtp": "eml", "resend": "json", "twilio": "txt"}[message.vendor]
        return file(_MEDIA_TYPES[message.vendor], f"{item}.{extension}", message.raw)

    def _attachment(self, request: Request, item: str, number: str) -> Response:
        message = self._mailbox.get(item)
        attachments = message.content.attachments if message else ()
        if int(number) >= len(attachments):
            return _missing()
        found = attachments[int(number)]
        return file(found.content_type, found.filename or f"attachment-{number}", found.content)

    def _count(self, request: Request) -> Response:
        wanted = _filter(_query(request, (*_TEXT_FILTERS, "since")))
        count, arrived = self._mailbox.count(wanted), self._mailbox.arrived
        return answer(200, {"count": count, "arrived": arrived})

    def _arrivals(self, request: Request) -> Response:
        lines = self._mailbox.arrivals(_whole(_query(request, ("after",)), "after", 0))
        pieces = (
            b"".join(lines[start : start + ARRIVALS_A_PIECE])
            for start in range(0, len(lines), ARRIVALS_A_PIECE)
        )
        return Response(200, pieces, {"content-type": "application/x-ndjson"})

    def _orders(self, request: Request) -> Response:
        return answer(200, {"data": [shown(fault) for fault in self._faults.all()]})

    def _order(self, request: Request) -> Response:
        try:
            fault = self._faults.order(Order.model_validate_json(request.body))
        except ValidationError as error:
            return problem(422, "the fault cannot be ordered", _errors(error))
        except ValueError as error:
            return problem(409, str(error))
        return answer(201, shown(fault), headers={"location": f"/faults/{fault.id}"})

    def _withdraw_all(self, request: Request) -> Response:
        self._faults.clear()
        return Response(204)

    def _withdraw(self, request: Request, item: str) -> Response:
        return Response(204) if self._faults.delete(item) else _missing()


def _errors(error: ValidationError) -> list[dict[str, str]]:
    return [
        {
            "pointer": "".join(f"/{step}" for step in found["loc"]),
            "detail": found["msg"].removeprefix("Value error, "),
        }
        for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _page(messages: list[Received], cursor: str | None) -> dict[str, Any]:
    data = [summary(message) for message in messages]
    return {"data": data, "next_cursor": cursor, "has_more": cursor is not None}


def _missing() -> Response:
    return problem(404, "there is nothing of this id")


def _query(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    try:
        pairs = parse_qsl(request.query, keep_blank_values=True, max_num_fields=50)
    except ValueError as error:
        raise Invalid([{"pointer": "", "detail": str(error)}]) from error
    unknown = [name for name, _ in pairs if name not in known]
    if unknown:
        detail = f"unknown; known are {', '.join(known)}"
        raise Invalid([{"pointer": f"/{name}", "detail": detail} for name in unknown])
    return dict(pairs)


def _filter(query: Mapping[str, str]) -> Filter:
    texts = {name: query[name] for name in _TEXT_FILTERS if name in query}
    return Filter(**texts, since=_since(query))  # type: ignore[arg-type]


def _since(query: Mapping[str, str]) -> float | None:
    if "since" not in query:
        return None
    try:
        at = datetime.fromisoformat(query["since"])
    except ValueError:
        at = datetime.min  # noqa: DTZ901 - without a zone, refused with the others below
    if at.tzinfo is None:
        raise Invalid([{"pointer": "/since", "detail": "expected an RFC 3339 time"}])
    return at.timestamp()


def _whole(
    query: Mapping[str, str], name: str, default: int, *, least: int = 0, most: int = 10**12
) -> int:
    value = query.get(name)
    if value is None:
        return default
    number = int(value) if value.isascii() and value.isdigit() and len(value) <= 13 else -1
    if not least <= number <= most:
        raise Invalid([{"pointer": f"/{name}", "detail": f"expected {least} to {most}"}])
    return number
