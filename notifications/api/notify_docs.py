"""The operations of notify as the OpenAPI document publishes them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from notifications.api.docs import KEY, LOCATION, PAGE, PREFER, REPLAYED
from notifications.api.notify_bodies import RECIPIENTS, Notified, Notify, ShownRequest
from notifications.api.shapes import Canceled

_TAGS = ["notify"]
_ID = OpenApiParameter(
    "request_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="`req_...`"
)
_CONTENT: dict[str, Any] = {
    "content": {
        "email": {"subject": "We are back", "body": "Everything works again."},
        "sms": {"body": "We are back."},
    },
    "to": [{"email": "b@x.example"}, {"sms": "+14155550100"}],
}

notify = extend_schema(
    operation_id="notify",
    summary="Notify many recipients",
    description=f"Up to {RECIPIENTS:,} recipients: one notification for each of them and each"
    " channel, all in one transaction. Whom a channel cannot reach is in `rejected`, the rest go"
    " on; where nobody can be reached, or what all share does not fit, it is 422 and nothing is"
    " stored. The body may have 16 MiB.",
    tags=_TAGS,
    request=Notify,
    parameters=[KEY, PREFER, REPLAYED, LOCATION],
    responses={
        200: OpenApiResponse(Notified, "All are settled within the seconds of `Prefer`."),
        202: OpenApiResponse(Notified, "Accepted."),
    },
    examples=[OpenApiExample("Content by channel", _CONTENT, request_only=True)],
)
get = extend_schema(
    operation_id="getRequest",
    summary="See what became of a call of notify",
    tags=_TAGS,
    parameters=[_ID, *PAGE],
    responses={200: ShownRequest},
)
cancel = extend_schema(
    operation_id="cancelRequest",
    summary="Cancel a call of notify",
    description="Stops each of its notifications that no provider has or may have taken.",
    tags=_TAGS,
    request=None,
    parameters=[_ID],
    responses={200: OpenApiResponse(Canceled, "Each one is in one of the two lists.")},
)
