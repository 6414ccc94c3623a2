"""The operations on providers as the OpenAPI document publishes them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from delivery.api.shapes import DriverList, ProviderPage, ProviderTest, ProviderTestAnswer
from delivery.provider import NewProvider, ProviderChange, ShownProvider
from hiram.lib import pagination

_TAGS = ["providers"]
_SMTP = {
    "channel": "email",
    "driver": "smtp",
    "name": "primary",
    "settings": {
        "host": "mail.example.com",
        "port": 587,
        "security": "starttls",
        "username": "hiram",
        "from_email": "hello@example.com",
        "from_name": "Example",
    },
    "credentials": {"password": "..."},
}


def _query(name: str, about: str, schema: dict[str, Any] | None = None) -> OpenApiParameter:
    return OpenApiParameter(
        name, schema or OpenApiTypes.STR, OpenApiParameter.QUERY, description=about
    )


_ID = OpenApiParameter(
    "provider_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="`prv_...`"
)
_CHANNEL = _query("channel", "One channel.")
_LIMIT = {
    "type": "integer",
    "minimum": pagination.LEAST,
    "maximum": pagination.MOST,
    "default": pagination.DEFAULT,
}
_LOCATION = OpenApiParameter(
    "Location",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="Where the provider is.",
    response=[201],
)

list_ = extend_schema(
    operation_id="listProviders",
    summary="List providers",
    description="Newest first.",
    tags=_TAGS,
    parameters=[
        _query("limit", "Rows of one page.", _LIMIT),
        _query("cursor", "`next_cursor` of the page before, with the same filters."),
        _CHANNEL,
        _query("driver", "One driver."),
        _query("enabled", "Those that are, or are not.", {"type": "boolean"}),
    ],
    responses={200: ProviderPage},
)
create = extend_schema(
    operation_id="createProvider",
    summary="Create a provider",
    description="`settings` and `credentials` are as `GET /v1/drivers` declares them for the"
    " driver. Credentials never come back.",
    tags=_TAGS,
    request=NewProvider,
    parameters=[_LOCATION],
    responses={201: OpenApiResponse(ShownProvider, "Made.")},
    examples=[OpenApiExample("SMTP", _SMTP, request_only=True)],
)
read = extend_schema(
    operation_id="getProvider",
    summary="Read a provider",
    tags=_TAGS,
    parameters=[_ID],
    responses={200: ShownProvider},
)
update = extend_schema(
    operation_id="changeProvider",
    summary="Change a provider",
    description="What is left out stays. `settings` and `credentials` are merged field by field,"
    " null removes an optional one; both end a pause. Channel and driver cannot be changed.",
    tags=_TAGS,
    request=ProviderChange,
    parameters=[_ID],
    responses={200: ShownProvider},
    examples=[
        OpenApiExample("New password", {"credentials": {"password": "..."}}, request_only=True)
    ],
)
delete = extend_schema(
    operation_id="deleteProvider",
    summary="Delete a provider",
    description="What it has sent keeps its name.",
    tags=_TAGS,
    parameters=[_ID],
    responses={204: OpenApiResponse(description="Gone.")},
)
test = extend_schema(
    operation_id="testProvider",
    summary="Send a test message",
    description="Sends now, to the recipient given, and answers what the provider said. Nothing"
    " is recorded. A shadow tenant and a test key send nothing.",
    tags=_TAGS,
    request=ProviderTest,
    parameters=[_ID],
    responses={200: ProviderTestAnswer},
    examples=[OpenApiExample("To me", {"recipient": "me@example.com"}, request_only=True)],
)
drivers = extend_schema(
    operation_id="listDrivers",
    summary="List drivers",
    description="Every kind of provider, with its fields as JSON Schema.",
    tags=_TAGS,
    parameters=[_CHANNEL],
    responses={200: DriverList},
)
