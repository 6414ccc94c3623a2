"""`/v1/users/{user_id}/consents`: what a user agreed to or withdrew, in which words."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hiram.lib import ids, rfc3339
from hiram.lib.pagination import paginate, read_parameters, read_query
from hiram.lib.rest import answer, read_json, validate
from notifications.api.of_user import USER_ID, OfUser
from notifications.api.options import (
    CATEGORIES,
    PAGING,
    Category,
    Channel,
    address_of,
    options_only,
    query_parameter,
)
from notifications.api.shapes import Moment
from notifications.channel import RECIPIENT_CHARACTERS
from notifications.consent import record
from notifications.models import Consent
from notifications.shelves import channels

_TAGS = ["users"]


class NewConsent(BaseModel):
    """The body of `POST /v1/users/{user_id}/consents`."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    category: Category
    channel: Channel
    granted: bool = Field(description="False is a withdrawal.")
    text: Annotated[str, StringConstraints(max_length=10_000)] = Field(
        "", description="The words that were agreed to."
    )
    version: Annotated[str, StringConstraints(max_length=100)] = Field("", examples=["2026-01"])
    source: Annotated[str, StringConstraints(max_length=200)] = Field(
        "", description="Where it was said.", examples=["signup form"]
    )
    address: Annotated[str, StringConstraints(max_length=RECIPIENT_CHARACTERS)] | None = Field(
        None, description="The user's own on that channel, unless given."
    )


class ShownConsent(BaseModel):
    """A receipt, as it was written."""

    id: str = Field(examples=["cns_01M7XPVS3MEJ8V36AJKWHG10T2"])
    user_id: str
    category: str
    channel: str
    granted: bool
    text: str
    version: str
    source: str
    address: str | None
    created_at: Moment


class ConsentPage(BaseModel):
    """One page, newest first."""

    data: list[ShownConsent]
    next_cursor: str | None
    has_more: bool


class ConsentsEndpoint(OfUser):
    """`/v1/users/{user_id}/consents`."""

    @extend_schema(
        operation_id="listConsents",
        summary="List a user's consents",
        description="Newest first. Receipts are never changed.",
        tags=_TAGS,
        parameters=[
            USER_ID,
            *PAGING,
            query_parameter("category", "One category.", *CATEGORIES),
            query_parameter("channel", "One channel.", *channels),
        ],
        responses={200: ConsentPage},
    )
    def get(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """One page."""
        query = read_query(request, "category", "channel")
        options_only(query.filters, category=CATEGORIES, channel=tuple(channels))
        user = self.user(user_id)
        rows = Consent.objects.filter(
            tenant_id=user.tenant_id, mode=user.mode, user_id=user.user_id, **query.filters
        )
        return answer(paginate(rows, query, scope=(str(user.pk), "consents")).body(show))

    @extend_schema(
        operation_id="addConsent",
        summary="Record a consent or its withdrawal",
        description="A grant makes the category wanted on the channel; a withdrawal takes that"
        " back, and what is owed and not wanted any more ends `suppressed`.",
        tags=_TAGS,
        parameters=[USER_ID],
        request=NewConsent,
        responses={201: ShownConsent},
        examples=[
            OpenApiExample(
                "A yes to marketing",
                {
                    "category": "marketing", "channel": "email", "granted": True,
                    "text": "Send me offers.", "version": "2026-01", "source": "signup form",
                },
                request_only=True,
            )
        ],
    )  # fmt: skip
    def post(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Write a receipt."""
        read_parameters(request)
        given: NewConsent = validate(NewConsent, read_json(request))
        fields = given.model_dump()
        if given.address is not None:
            fields["address"] = address_of(given.channel, given.address)
        return answer(show(record(self.owner, user_id, Consent(**fields))), 201)


def show(row: Consent) -> dict[str, Any]:
    """A receipt as the API shows it."""
    return {
        "id": ids.show("cns", row.pk),
        "user_id": row.user_id,
        "category": row.category,
        "channel": row.channel,
        "granted": row.granted,
        "text": row.text,
        "version": row.version,
        "source": row.source,
        "address": row.address,
        "created_at": rfc3339.show(row.created_at),
    }
