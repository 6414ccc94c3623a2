"""The operations on notifications as the OpenAPI document publishes them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from hiram.lib import pagination
from notifications.api.bodies import Batch, Cancel, Decision, Replay, Send
from notifications.api.filters import FILTERS, METADATA, OPTIONS
from notifications.api.shapes import (
    Accepted,
    AttemptPage,
    BatchAnswer,
    Canceled,
    CanceledMany,
    DeadLetterPage,
    Decided,
    Ended,
    NotificationPage,
    NotificationRecord,
    Replayed,
    ReplayProgress,
)
from notifications.api.waiting import WAIT_SECONDS
from notifications.cancel import CANCELED_MOST
from notifications.hold import DECIDED_MOST
from notifications.idempotency import KEY_CHARACTERS

_ID = "ntf_01M7XPVS3MEJ8V36AJKWHG10T2"
_TAGS = ["notifications"]

_EMAIL = {
    "channel": "email",
    "recipient": "ops@tenant.com",
    "subject": "Order confirmed",
    "body": "Thank you for your order.",
    "html": "<p>Thank you for your order.</p>",
    "metadata": {"order": "1"},
}
_SMS = {"channel": "sms", "recipient": "+14155550100", "body": "Your code is 482913."}


def _header(name: str, about: str, schema: dict[str, Any], **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, schema, OpenApiParameter.HEADER, description=about, **more)


def query(name: str, about: str, schema: dict[str, Any] | None = None) -> OpenApiParameter:
    return OpenApiParameter(
        name, schema or OpenApiTypes.STR, OpenApiParameter.QUERY, description=about
    )


KEY = _header(
    "Idempotency-Key",
    "The same post with the same key within 24 hours is one notification, and gets the first"
    " one's answer. Another body with the key is refused.",
    {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS, "pattern": "^[ -~]+$"},
)
PREFER = _header(
    "Prefer",
    f"`wait=N` (RFC 7240): answer when the notification is settled, after N seconds at most;"
    f" N is {WAIT_SECONDS} at most. When time is up, or too many wait, the answer is 202.",
    {"type": "string", "examples": ["wait=10"]},
)
REPLAYED = _header(
    "Idempotency-Replayed",
    "Present where the key was known: the answer is the first one's.",
    {"type": "string", "const": "true"},
    response=[202],
)
LOCATION = _header(
    "Location", "Where the notification is.", {"type": "string"}, response=[200, 202]
)
_PATH_ID = OpenApiParameter(
    "notification_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="`ntf_...`"
)
PAGE = [
    query(
        "limit",
        "Rows of one page.",
        {
            "type": "integer",
            "minimum": pagination.LEAST,
            "maximum": pagination.MOST,
            "default": pagination.DEFAULT,
        },
    ),
    query("cursor", "`next_cursor` of the page before, with the same filters."),
]
_ABOUT = {
    "status": "As shown: `queued` and `sending` are what the engine does at this moment.",
    "channel": "One channel.",
    "recipient": "Exactly as shown.",
    "category": "One category.",
    "user_id": "One of your users.",
    "template": "One template's slug.",
    "request_id": "One call of notify, `req_...`.",
    "created_after": "Made after this moment (RFC 3339).",
    "created_before": "Made before this moment (RFC 3339).",
}


def _filter(name: str) -> OpenApiParameter:
    schema: dict[str, Any] = {"type": "string"}
    if name in OPTIONS:
        schema["enum"] = [str(option) for option in OPTIONS[name]]
    if name.startswith("created_"):
        schema["format"] = "date-time"
    return query(name, _ABOUT[name], schema)


_OF_LIST_ALONE = ("status", "user_id", "template", "request_id")
_DEAD_FILTERS = [_filter(name) for name in FILTERS if name not in _OF_LIST_ALONE]

send = extend_schema(
    operation_id="sendNotification",
    summary="Send a notification",
    description="202 says: it is committed to the database together with the work to be done. The"
    " body may have 1 MiB, and with attachments, where they are enabled, 16 MiB.",
    tags=_TAGS,
    request=Send,
    parameters=[KEY, PREFER, REPLAYED, LOCATION],
    responses={
        200: OpenApiResponse(NotificationRecord, "Settled within the seconds of `Prefer`."),
        202: OpenApiResponse(Accepted, "Accepted."),
    },
    examples=[
        OpenApiExample("E-mail", _EMAIL, request_only=True),
        OpenApiExample("SMS", _SMS, request_only=True),
    ],
)
batch = extend_schema(
    operation_id="sendNotifications",
    summary="Send many notifications",
    description="Up to 1,000 in one transaction. `atomic` (the default) accepts all or refuses"
    " all with 422; `partial` accepts those that can be, and says what is wrong with the others. The"
    " body may have 16 MiB.",
    tags=_TAGS,
    request=Batch,
    parameters=[KEY, REPLAYED],
    responses={202: OpenApiResponse(BatchAnswer, "What became of each item.")},
    examples=[
        OpenApiExample("Two channels", {"notifications": [_EMAIL, _SMS]}, request_only=True)
    ],
)
list_ = extend_schema(
    operation_id="listNotifications",
    summary="List notifications",
    description=f"Newest first. By labels: `{METADATA}<key>=<value>`, each key once.",
    tags=_TAGS,
    parameters=[*PAGE, *map(_filter, FILTERS)],
    responses={200: NotificationPage},
)
get = extend_schema(
    operation_id="getNotification",
    summary="Read a notification",
    tags=_TAGS,
    parameters=[_PATH_ID],
    responses={200: NotificationRecord},
)
attempts = extend_schema(
    operation_id="listAttempts",
    summary="List a notification's attempts",
    description="Newest first.",
    tags=_TAGS,
    parameters=[_PATH_ID, *PAGE],
    responses={200: AttemptPage},
)
cancel = extend_schema(
    operation_id="cancelNotification",
    summary="Cancel a notification",
    description="Stops it, if no provider has or may have taken it, and says exactly whether.",
    tags=_TAGS,
    request=None,
    parameters=[_PATH_ID],
    responses={200: OpenApiResponse(Canceled, "It is in one of the two lists.")},
)
cancel_many = extend_schema(
    operation_id="cancelNotifications",
    summary="Cancel many notifications",
    description=f"By `cancel_key`, or by labels, of which each must be there. {CANCELED_MOST:,} a"
    " call at most: what can be stopped first, then the newest of the others.",
    tags=_TAGS,
    request=Cancel,
    responses={200: OpenApiResponse(CanceledMany, "Each one is in one of the two lists.")},
    examples=[
        OpenApiExample("By key", {"cancel_key": "cart-2207"}, request_only=True),
        OpenApiExample("By label", {"metadata": {"order": "1"}}, request_only=True),
    ],
)
dead_letters = extend_schema(
    operation_id="listDeadLetters",
    summary="List what failed",
    description="Notifications that ended `failed` and were not replayed, newest first.",
    tags=_TAGS,
    parameters=[query("reason", "Why it failed.", {"type": "string"}), *_DEAD_FILTERS, *PAGE],
    responses={200: DeadLetterPage},
)
replay = extend_schema(
    operation_id="replayNotification",
    summary="Replay a notification that failed",
    description="It is owed again, with its tries and its time to live anew.",
    tags=_TAGS,
    request=None,
    parameters=[_PATH_ID, LOCATION],
    responses={202: OpenApiResponse(Accepted, "Owed again.")},
)
replay_many = extend_schema(
    operation_id="replayDeadLetters",
    summary="Replay what failed, by filter",
    description="The oldest first, 1,000 a call at most; with `has_more`, call again, with the answer's `id` as `replay_id`.",
    tags=_TAGS,
    request=Replay,
    responses={
        200: OpenApiResponse(Replayed, "A dry run: nothing was changed."),
        202: OpenApiResponse(Replayed, "Owed again."),
    },
    examples=[
        OpenApiExample("Slowly", {"reason": "bad_account", "per_second": 5}, request_only=True)
    ],
)
replay_progress = extend_schema(
    operation_id="getReplay",
    summary="See how far a replay has come",
    tags=_TAGS,
    parameters=[
        OpenApiParameter(
            "replay_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="`rpl_...`"
        )
    ],
    responses={200: ReplayProgress},
)
release = extend_schema(
    operation_id="releaseNotification",
    summary="Release a held notification",
    description="It is sent again, though the provider may have taken it before.",
    tags=_TAGS,
    request=None,
    parameters=[_PATH_ID],
    responses={200: OpenApiResponse(Accepted, "Owed again.")},
)
drop = extend_schema(
    operation_id="dropNotification",
    summary="Drop a held notification",
    description="It ends `failed`, as a dead letter with the reason `dropped`.",
    tags=_TAGS,
    request=None,
    parameters=[_PATH_ID],
    responses={200: OpenApiResponse(Ended, "Ended.")},
)
_MANY = (
    f"{DECIDED_MOST:,} a call at most, the oldest first; `has_more` says whether to call again."
)
release_many = extend_schema(
    operation_id="releaseNotifications",
    summary="Release what is held, by filter",
    description=_MANY,
    tags=_TAGS,
    request=Decision,
    responses={200: OpenApiResponse(Decided, "Owed again, or with `dry_run` nothing changed.")},
    examples=[OpenApiExample("Marketing", {"category": "marketing"}, request_only=True)],
)
drop_many = extend_schema(
    operation_id="dropNotifications",
    summary="Drop what is held, by filter",
    description=_MANY,
    tags=_TAGS,
    request=Decision,
    responses={200: OpenApiResponse(Decided, "Ended, or with `dry_run` nothing changed.")},
    examples=[OpenApiExample("All", {}, request_only=True)],
)
