"""`/v1/suppressions`: whom a tenant must not write to."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import BaseModel, ConfigDict, Field

from hiram.lib import ids, rfc3339
from hiram.lib.pagination import paginate, read_parameters, read_query, refused
from hiram.lib.problems import Problem
from hiram.lib.rest import answer, read_json, validate
from notifications.api.endpoints import READ, WRITE, OfCaller
from notifications.api.options import (
    CATEGORIES,
    PAGING,
    Category,
    Channel,
    address_of,
    one_of,
    options_only,
    query_parameter,
)
from notifications.api.shapes import ChannelName, Moment
from notifications.api.until import Expiry, check_ahead
from notifications.models import Suppression
from notifications.shelves import channels
from notifications.suppression import digest, suppress
from notifications.withhold import withhold_from_addresses

_TAGS = ["suppressions"]
REASONS = tuple(Suppression.Reason.values)

SuppressionId = Annotated[
    str,
    Field(pattern="^sup_[0-9A-HJKMNP-TV-Z]{26}$", examples=["sup_01M7XPVS3MEJ8V36AJKWHG10T2"]),
]
ShownReason = Annotated[str, Field(json_schema_extra={"enum": list(REASONS)})]
Reason = Annotated[str, one_of(REASONS), Field(json_schema_extra={"enum": list(REASONS)})]
FILTERS = (
    query_parameter("channel", "One channel.", *channels),
    query_parameter("reason", "One reason.", *REASONS),
    query_parameter("category", "Those for one category alone.", *CATEGORIES),
    query_parameter("source", "One source: api, portal, import, receipt, unsubscribe."),
)


class NewSuppression(BaseModel):
    """The body of `POST /v1/suppressions`."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    channel: Channel = Field(examples=["email"])
    address: str = Field(examples=["ada@example.com"])
    reason: Reason = Suppression.Reason.MANUAL.value
    category: Category | None = Field(None, description="For this category alone.")
    expires_at: Expiry = Field(None, description="Until then; null: until it is deleted.")


class ShownSuppression(BaseModel):
    """A row. Its address is null once its owner is erased: then it is only recognised."""

    id: SuppressionId
    channel: ChannelName
    address: str | None
    category: str | None
    reason: ShownReason
    source: str = Field(description="Who added it: api, portal, import, receipt, unsubscribe.")
    expires_at: Moment | None
    created_at: Moment


class SuppressionPage(BaseModel):
    """One page, newest first."""

    data: list[ShownSuppression]
    next_cursor: str | None
    has_more: bool


class OfSuppressions(OfCaller):
    """What the endpoints of the list share."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": WRITE, "DELETE": WRITE}

    @property
    def suppressions(self) -> QuerySet[Suppression]:
        """Those of the key's tenant in its mode."""
        return Suppression.objects.filter(tenant_id=self.caller.tenant_id, mode=self.caller.mode)

    def filters(self, asked: dict[str, str]) -> dict[str, Any]:
        """What a query asks for, as filters of the rows. Raises Problem: 400."""
        options_only(asked, channel=tuple(channels), reason=REASONS, category=CATEGORIES)
        if "address" not in asked:
            return asked
        if "channel" not in asked:
            text = "An address is one of a channel."
            raise Problem("bad-query", errors=[refused("channel", "required", text)])
        address = address_of(asked["channel"], asked.pop("address"), "bad-query")
        return asked | {"address": digest(self.caller.tenant_id, asked["channel"], address)}


class SuppressionsEndpoint(OfSuppressions):
    """`/v1/suppressions`."""

    @extend_schema(
        operation_id="listSuppressions",
        summary="List suppressed addresses",
        description="Newest first, also those that have expired.",
        tags=_TAGS,
        parameters=[
            *PAGING,
            *FILTERS,
            query_parameter("address", "One address, however spelt; with its `channel`."),
        ],
        responses={200: SuppressionPage},
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """One page."""
        query = read_query(request, "channel", "reason", "source", "address", "category")
        rows = self.suppressions.filter(**self.filters(dict(query.filters)))
        scope = (self.caller.tenant, self.caller.mode, "suppressions")
        return answer(paginate(rows, query, scope=scope).body(show))

    @extend_schema(
        operation_id="addSuppression",
        summary="Suppress an address",
        description="Nothing is sent to it any more: what is owed to it, and what is accepted for"
        " it, ends `suppressed`.",
        tags=_TAGS,
        request=NewSuppression,
        responses={
            200: OpenApiResponse(
                ShownSuppression, "It was suppressed already; what lasts longer stays."
            ),
            201: OpenApiResponse(ShownSuppression, "Suppressed."),
        },
        examples=[
            OpenApiExample(
                "E-mail",
                {
                    "channel": "email", "address": "ada@example.com", "reason": "manual",
                    "expires_at": None,
                },
                request_only=True,
            )
        ],
    )  # fmt: skip
    def post(self, request: HttpRequest) -> HttpResponse:
        """Add one."""
        read_parameters(request)
        given: NewSuppression = validate(NewSuppression, read_json(request))
        address = address_of(given.channel, given.address)
        check_ahead(given.expires_at)
        owner = self.owner
        row, is_new = suppress(
            owner.tenant_id, owner.mode, given.channel, address, given.reason, "api",
            category=given.category, expires_at=given.expires_at,
        )  # fmt: skip
        withhold_from_addresses(owner, given.channel, [address])
        return answer(show(row), 201 if is_new else 200)


class SuppressionEndpoint(OfSuppressions):
    """`/v1/suppressions/{id}`."""

    scopes: ClassVar[dict[str, str]] = {"DELETE": WRITE}

    @extend_schema(
        operation_id="deleteSuppression",
        summary="Allow an address again",
        description="What ended `suppressed` stays so.",
        tags=_TAGS,
        parameters=[
            OpenApiParameter(
                "suppression_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="`sup_...`"
            )
        ],
        responses={204: OpenApiResponse(description="Gone.")},
    )
    def delete(self, request: HttpRequest, suppression_id: str) -> HttpResponse:
        """Remove it; a second time there is none."""
        read_parameters(request)
        try:
            key = ids.parse("sup", suppression_id)
        except ids.MalformedId as error:
            raise Problem("not-found") from error
        gone, _ = self.suppressions.filter(pk=key).delete()
        if not gone:
            raise Problem("not-found")
        return HttpResponse(status=204)


def show(row: Suppression) -> dict[str, Any]:
    """A row as the API shows it."""
    return {
        "id": ids.show("sup", row.pk),
        "channel": row.channel,
        "address": row.recipient,
        "category": row.category,
        "reason": row.reason,
        "source": row.source,
        "expires_at": rfc3339.show_if(row.expires_at),
        "created_at": rfc3339.show(row.created_at),
    }
