"""How an ordered fault changes an HTTP answer; the same for every vendor spoken to over HTTP."""

from __future__ import annotations

from math import ceil

from delivery.simulator.orders import Order
from delivery.simulator.web import Response

_TAKING = ("slow", "tarpit", "cut_after_accept", "duplicate", "callbacks")


def takes(order: Order) -> bool:
    """Whether the message is taken with this fault."""
    return order.kind in _TAKING or order.accept


def twice(order: Order | None) -> bool:
    """Whether the message arrives twice."""
    return order is not None and order.kind == "duplicate"


def given(response: Response, order: Order | None) -> Response:
    """The answer to a message that was taken, as this fault gives it."""
    if order is None:
        return response
    if order.kind == "gateway":
        return gateway(order)
    if order.kind == "slow":
        response.delay = order.seconds
    if order.kind == "tarpit":
        response.drip = order.seconds
    response.cut = order.kind == "cut_after_accept"
    return response


def gateway(order: Order) -> Response:
    """An answer from something that stands before the vendor: not in the vendor's form."""
    page = b"<html><head><title>Error</title></head><body><h1>Error</h1></body></html>\n"
    response = Response(order.status or 502, page, {"content-type": "text/html"})
    ask_to_wait(response, order)
    return response


def ask_to_wait(response: Response, order: Order, default: float | None = None) -> None:
    """Set Retry-After (RFC 9110, 10.2.3), in whole seconds."""
    seconds = default if order.retry_after is None else order.retry_after
    if seconds is not None:
        response.headers["retry-after"] = str(ceil(seconds))
