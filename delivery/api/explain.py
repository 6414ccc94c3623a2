"""`/v1/explain`: what would happen, and why."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from pydantic import BaseModel, Field

from delivery.explain import explain
from hiram.lib.pagination import read_parameters
from hiram.lib.problems import FieldError, Problem
from hiram.lib.rest import LARGE_BODY_OCTETS, answer, read_json, validate
from notifications.accept import Owner
from notifications.api import Plan, checked, plan
from notifications.api.endpoints import OfCaller
from notifications.api.notify_bodies import Notify
from notifications.api.shapes import PassedOver, ProviderUsed
from notifications.notify import Aim, Recipient, judged


class RouteShown(BaseModel):
    """Why this provider, as on an attempt."""

    reason: str
    scope: str | None
    passed_over: list[PassedOver]


class SenderShown(BaseModel):
    """Who it is from."""

    address: str | None
    name: str | None


class Problemlike(BaseModel):
    """What is wrong with one field."""

    pointer: str
    code: str
    detail: str


class Explained(BaseModel):
    """What would happen to one recipient on one channel; a rejected one has only what is known."""

    index: int = Field(description="Of its recipient in `to`; 0 for a send.")
    channel: str | None
    outcome: Literal["accepted", "scheduled", "suppressed", "rejected"]
    errors: list[Problemlike]
    user_id: str | None = None
    recipient: str | None = None
    reason: str | None = Field(None, description="Why it would be suppressed.")
    at: str | None = Field(None, description="When, if not at once.")
    put_off: bool | None = Field(None, description="Whether the user's quiet hours put it off.")
    category: str | None = None
    priority: str | None = None
    template: str | None = None
    template_version: int | None = None
    locale: str | None = None
    content: dict[str, str] | None = Field(None, description="subject, text, html")
    provider: ProviderUsed | None = None
    route: RouteShown | None = None
    waits: str | None = Field(None, description="Why no provider can carry it just now.")
    sender: SenderShown | None = None


class Explanation(BaseModel):
    """What would happen to all of them."""

    data: list[Explained]


class ExplainEndpoint(OfCaller):
    """`/v1/explain`."""

    @extend_schema(
        operation_id="explain",
        summary="Explain a send or a call of notify",
        description="Takes the body of `POST /v1/notifications`, or with `to` that of"
        " `POST /v1/notify`, and answers to whom, when, by which provider, as whom and in which"
        " words it would go just now, and why not otherwise. Nothing is written.",
        tags=["notify"],
        request={"application/json": {"type": "object"}},
        responses={200: OpenApiResponse(Explanation, "What would happen.")},
        examples=[
            OpenApiExample(
                "A send",
                {"channel": "email", "recipient": "b@x.example", "subject": "Hi", "body": "Hi."},
                request_only=True,
            )
        ],
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Say what would happen."""
        read_parameters(request)
        body = read_json(request, limit=LARGE_BODY_OCTETS)
        owner = self.owner
        found = planned(owner, body)
        return answer({"data": explain(owner, found.good, found.bad)})


def planned(owner: Owner, body: Any) -> Plan:
    """What stands for and against the send, or the call of notify, that this body asks for.

    Raises:
        Problem: it is neither.
    """
    if isinstance(body, dict) and "to" in body:
        return plan(owner, validate(Notify, body))
    if not isinstance(body, dict):
        raise Problem("invalid", errors=[FieldError("", "type", "This must be an object.")])
    try:
        one = checked(owner, body)
    except Problem as problem:
        if not problem.errors:
            raise
        channel = body.get("channel")
        aim = Aim(0, channel if isinstance(channel, str) else None)
        return Plan([], [(aim, list(problem.errors))])
    request = one.request
    recipients = [Recipient(request.user_id, {})]
    [aim] = judged(
        owner,
        [Aim(0, request.channel, request.address)],
        recipients,
        categories={request.channel: request.category},
        template=request.template,
    )
    return Plan([(aim, one)], [])
