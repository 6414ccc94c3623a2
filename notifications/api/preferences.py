"""`/v1/users/{user_id}/preferences`: what a user wants to get, and when."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from hiram.lib import rfc3339
from hiram.lib.pagination import read_parameters
from hiram.lib.rest import answer, read_json, validate
from notifications.api.of_user import USER_ID, OfUser
from notifications.api.options import Category, Channel
from notifications.api.shapes import Moment
from notifications.links import PREFERENCES, link
from notifications.models import Preference, Subscriber
from notifications.one_line import ONE_LINE_PATTERN, one_line
from notifications.preferences import TEMPLATES_MOST, change, wishes

_TAGS = ["users"]
_STRICT = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
_EXAMPLE = OpenApiExample(
    "Marketing yes, a text at night no",
    {
        "categories": {"marketing": {"email": True}},
        "templates": {"auth.password-reset": {"sms": False}},
        "quiet_hours": {"start": "22:00", "end": "07:00"},
    },
    request_only=True,
)

TimeOfDay = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), Field(examples=["22:00"])
]
Slug = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100),
    AfterValidator(one_line),
    Field(json_schema_extra={"pattern": ONE_LINE_PATTERN}),
]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class QuietHours(BaseModel):
    """Daily, past midnight where `end` is before `start`; the same time twice is none."""

    model_config = _STRICT

    start: TimeOfDay
    end: TimeOfDay


class SendWindow(BaseModel):
    """On these days; past midnight where `end` is not after `start`, which belongs to the day on
    which it begins."""

    model_config = _STRICT

    days: Annotated[list[Day], Field(min_length=1, max_length=7)]
    start: TimeOfDay
    end: TimeOfDay


class Preferences(BaseModel):
    """What is wanted; null takes back what was said."""

    model_config = _STRICT

    categories: dict[Category, dict[Channel, bool | None] | None] = Field(
        default_factory=dict,
        description="By category and channel. Where nothing is said: yes, for marketing no.",
    )
    templates: Annotated[
        dict[Slug, dict[Channel, bool | None] | None], Field(max_length=TEMPLATES_MOST)
    ] = Field(
        default_factory=dict, description="By template's slug and channel, before the category."
    )
    quiet_hours: QuietHours | None = Field(
        None, description="In the user's time zone. What is due then waits for the end."
    )
    send_windows: Annotated[list[SendWindow], Field(max_length=50)] | None = Field(
        None, description="In the user's time zone. What is due outside of them waits for one."
    )


class ShownPreferences(BaseModel):
    """What a user has said; what is not there is not said."""

    user_id: str
    categories: dict[str, dict[str, bool]]
    templates: dict[str, dict[str, bool]]
    quiet_hours: QuietHours | None
    send_windows: list[SendWindow]
    page_url: str = Field(
        description="Where the user can change this: whoever has the address can, so give it to"
        " nobody else.",
        json_schema_extra={"format": "uri"},
    )
    updated_at: Moment | None


class PreferencesEndpoint(OfUser):
    """`/v1/users/{user_id}/preferences`."""

    @extend_schema(
        operation_id="getPreferences",
        summary="Read a user's preferences",
        tags=_TAGS,
        parameters=[USER_ID],
        responses={200: ShownPreferences},
    )
    def get(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """What the user has said."""
        read_parameters(request)
        user = self.user(user_id)
        return answer(show(user, wishes(self.owner, user.user_id)))

    @extend_schema(
        operation_id="replacePreferences",
        summary="Replace a user's preferences",
        description="What is left out is not said any more. What is owed and not wanted ends"
        " `suppressed`. A category that is `required` cannot be opted out of.",
        tags=_TAGS,
        parameters=[USER_ID],
        request=Preferences,
        responses={200: ShownPreferences},
        examples=[_EXAMPLE],
    )
    def put(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Put these in the place of what was said."""
        return self._change(request, user_id, replaces=True)

    @extend_schema(
        operation_id="changePreferences",
        summary="Change a user's preferences",
        description="What is left out stays; null takes back what was said. Otherwise as PUT.",
        tags=_TAGS,
        parameters=[USER_ID],
        request=Preferences,
        responses={200: ShownPreferences},
        examples=[_EXAMPLE],
    )
    def patch(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Merge these into what was said."""
        return self._change(request, user_id, replaces=False)

    def _change(self, request: HttpRequest, user_id: str, *, replaces: bool) -> HttpResponse:
        read_parameters(request)
        given: Any = validate(Preferences, read_json(request))
        fields = given.model_dump(exclude_unset=True)
        row = change(self.owner, user_id, fields, replaces=replaces)
        return answer(show(self.user(user_id), row))


def show(user: Subscriber, row: Preference) -> dict[str, Any]:
    """What a user has said, as the API shows it."""
    return {
        "user_id": row.user_id,
        "categories": row.categories,
        "templates": row.templates,
        "quiet_hours": row.quiet_hours,
        "send_windows": row.send_windows,
        "page_url": link(PREFERENCES, user.pk),
        "updated_at": None if row._state.adding else rfc3339.show(row.updated_at),
    }
