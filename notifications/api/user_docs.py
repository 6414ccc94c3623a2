"""The operations on users as the OpenAPI document publishes them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from notifications.api.docs import PAGE, query
from notifications.api.user_bodies import (
    Certificate,
    PutUsers,
    ShownUser,
    User,
    UserChange,
    UserPage,
    UsersBatch,
)
from notifications.shelves import channels

TAGS = ["users"]
USER_ID = OpenApiParameter(
    "user_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="Your own id of the user; 256 characters at most, no slash.",
)
_ANA: dict[str, Any] = {
    "addresses": {"email": "ana@x.example", "sms": "+14155550100"},
    "locale": "de-AT",
    "timezone": "Europe/Vienna",
    "attributes": {"plan": "pro"},
}

list_ = extend_schema(
    operation_id="listUsers",
    summary="List users",
    description="Newest first.",
    tags=TAGS,
    parameters=[
        *PAGE,
        query("channel", "Who has an address on it.", {"type": "string", "enum": [*channels]}),
        query("address", "Who has this one, however spelt; with its `channel`."),
        query("locale", "Exactly as shown."),
        query("timezone", "Exactly as shown."),
    ],
    responses={200: UserPage},
)
batch = extend_schema(
    operation_id="putUsers",
    summary="Put many users",
    description="Up to 1,000, all or none; each is written as it is given.",
    tags=TAGS,
    request=UsersBatch,
    responses={200: PutUsers},
    examples=[
        OpenApiExample("One user", {"users": [{"user_id": "u1", **_ANA}]}, request_only=True)
    ],
)
get = extend_schema(
    operation_id="getUser",
    summary="Read a user",
    tags=TAGS,
    parameters=[USER_ID],
    responses={200: ShownUser},
)
put = extend_schema(
    operation_id="putUser",
    summary="Put a user",
    description="As it is given: what is left out is gone. Preferences stay.",
    tags=TAGS,
    request=User,
    parameters=[USER_ID],
    responses={200: ShownUser, 201: OpenApiResponse(ShownUser, "It is new.")},
    examples=[OpenApiExample("Ana", _ANA, request_only=True)],
)
patch = extend_schema(
    operation_id="changeUser",
    summary="Change a user",
    description="What is left out stays. In `addresses` and `attributes` a name that is null is"
    " removed.",
    tags=TAGS,
    request=UserChange,
    parameters=[USER_ID],
    responses={200: ShownUser},
    examples=[OpenApiExample("No text messages", {"addresses": {"sms": None}}, request_only=True)],
)
delete = extend_schema(
    operation_id="deleteUser",
    summary="Delete or erase a user",
    description="Deleted, it goes with its preferences, and what was sent stays on record. With"
    " `erase=true` everything personal goes for good, wherever it stands: bodies, addresses, what"
    " providers said; of a suppression the keyed digest stays, of a consent what it says of nobody."
    " What is owed to the user is canceled. What is in a provider's hands at that moment is erased"
    " again a minute or two later; then the erasure is `complete`.",
    tags=TAGS,
    parameters=[
        USER_ID,
        query("erase", "Erase it.", {"type": "string", "enum": ["true", "false"]}),
    ],
    responses={
        200: OpenApiResponse(Certificate, "Erased."),
        204: OpenApiResponse(description="Deleted."),
    },
)
erasure = extend_schema(
    operation_id="getErasure",
    summary="See whether an erasure is complete",
    tags=TAGS,
    parameters=[
        OpenApiParameter(
            "erasure_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="`ers_...`"
        )
    ],
    responses={200: Certificate},
)
