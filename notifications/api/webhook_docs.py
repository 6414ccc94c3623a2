"""The operations on webhooks and events as the OpenAPI document publishes them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from hiram.lib import pagination
from notifications.api.webhook_shapes import (
    STATUSES,
    DeliveryPage,
    EventPage,
    MadeWebhook,
    NewWebhook,
    Recovered,
    Recovery,
    RotatedSecret,
    TestSent,
    Webhook,
    WebhookChange,
    WebhookPage,
)
from notifications.events import EVENTS

_TAGS = ["webhooks"]
_ID = OpenApiParameter(
    "webhook_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="`whk_...`"
)
_LIMIT = {
    "type": "integer",
    "minimum": pagination.LEAST,
    "maximum": pagination.MOST,
    "default": pagination.DEFAULT,
}


def _query(name: str, about: str, schema: dict[str, Any] | None = None) -> OpenApiParameter:
    return OpenApiParameter(
        name, schema or OpenApiTypes.STR, OpenApiParameter.QUERY, description=about
    )


_PAGE = [
    _query("limit", "Rows of one page.", _LIMIT),
    _query("cursor", "`next_cursor` of the page before, with the same filters."),
]
_LOCATION = OpenApiParameter(
    "Location",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="Where the webhook is.",
    response=[201],
)

list_ = extend_schema(
    operation_id="listWebhooks",
    summary="List webhooks",
    description="Newest first.",
    tags=_TAGS,
    parameters=_PAGE,
    responses={200: WebhookPage},
)
create = extend_schema(
    operation_id="createWebhook",
    summary="Create a webhook",
    description="Events of the key's mode are posted to it from now on, signed with its secret.",
    tags=_TAGS,
    request=NewWebhook,
    parameters=[_LOCATION],
    responses={201: OpenApiResponse(MadeWebhook, "Made.")},
    examples=[
        OpenApiExample(
            "What ended",
            {
                "url": "https://example.com/hiram",
                "events": ["notification.sent", "notification.failed"],
            },
            request_only=True,
        )
    ],
)
get = extend_schema(
    operation_id="getWebhook",
    summary="Read a webhook",
    tags=_TAGS,
    parameters=[_ID],
    responses={200: Webhook},
)
change = extend_schema(
    operation_id="changeWebhook",
    summary="Change a webhook",
    description="What is left out stays. `headers` are replaced as a whole.",
    tags=_TAGS,
    request=WebhookChange,
    parameters=[_ID],
    responses={200: Webhook},
    examples=[OpenApiExample("Enable it again", {"enabled": True}, request_only=True)],
)
delete = extend_schema(
    operation_id="deleteWebhook",
    summary="Delete a webhook",
    description="What is still owed to it is not posted.",
    tags=_TAGS,
    parameters=[_ID],
    responses={204: OpenApiResponse(description="Gone.")},
)
rotate = extend_schema(
    operation_id="rotateWebhookSecret",
    summary="Rotate a webhook's secret",
    description="Posts are signed with the new one and, for 24 hours, with those before; five at"
    " most in all.",
    tags=_TAGS,
    request=None,
    parameters=[_ID],
    responses={200: RotatedSecret},
)
test = extend_schema(
    operation_id="testWebhook",
    summary="Test a webhook",
    description="Posts a `webhook.test` event to it alone.",
    tags=_TAGS,
    request=None,
    parameters=[_ID],
    responses={202: TestSent},
)
recover = extend_schema(
    operation_id="recoverWebhook",
    summary="Tell a webhook again",
    description="What failed, expired or was never told since then, the oldest first; what was"
    " taken is not told again.",
    tags=_TAGS,
    request=Recovery,
    parameters=[_ID],
    responses={202: Recovered},
    examples=[OpenApiExample("Since noon", {"since": "2026-01-31T12:00:00Z"}, request_only=True)],
)
deliveries = extend_schema(
    operation_id="listWebhookDeliveries",
    summary="List what a webhook was told",
    description="Newest first, with every post.",
    tags=_TAGS,
    parameters=[
        _ID,
        *_PAGE,
        _query("status", "One status.", {"type": "string", "enum": [*STATUSES]}),
    ],
    responses={200: DeliveryPage},
)
events = extend_schema(
    operation_id="listEvents",
    summary="List events",
    description="Oldest first, complete: what commits late is not skipped. `next_cursor` is always"
    " there, to ask on from.",
    tags=["events"],
    parameters=[
        *_PAGE,
        _query("type", "One type.", {"type": "string", "enum": [*EVENTS]}),
        _query(
            "created_after",
            "After this moment (RFC 3339).",
            {"type": "string", "format": "date-time"},
        ),
    ],
    responses={200: EventPage},
)
