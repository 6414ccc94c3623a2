"""`/v1/suppressions`: whom a tenant must not write to."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from hiram.lib import ids, pagination, rfc3339
from hiram.lib.pagination import paginate, read_parameters, read_query, refused
from hiram.lib.problems import FieldError, Problem
from hiram.lib.rest import answer, read_json, validate
from notifications.api.endpoints import READ, WRITE, OfCaller
from notifications.api.shapes import ChannelName, Moment
from notifications.models import Suppression
from notifications.shelves import channels
from notifications.suppression import digest, suppress

_TAGS = ["suppressions"]
_REASONS = tuple(Suppression.Reason.values)

SuppressionId = Annotated[
    str,
    Field(pattern="^sup_[0-9A-HJKMNP-TV-Z]{26}$", examples=["sup_01M7XPVS3MEJ8V36AJKWHG10T2"]),
]
Reason = Annotated[str, Field(json_schema_extra={"enum": list(_REASONS)})]


class NewSuppression(BaseModel):
    """The body of `POST /v1/suppressions`."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    channel: str = Field(examples=["email"])
    recipient: str = Field(examples=["ada@example.com"])


class ShownSuppression(BaseModel):
    """A row; its address is not kept, only recognised."""

    id: SuppressionId
    channel: ChannelName
    reason: Reason
    created_at: Moment


class SuppressionPage(BaseModel):
    """One page, newest first."""

    data: list[ShownSuppression]
    next_cursor: str | None
    has_more: bool


def _query(name: str, about: str, schema: dict[str, Any] | None = None) -> OpenApiParameter:
    return OpenApiParameter(
        name, schema or OpenApiTypes.STR, OpenApiParameter.QUERY, description=about
    )


class _Suppressions(OfCaller):
    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": WRITE, "DELETE": WRITE}

    @property
    def suppressions(self) -> QuerySet[Suppression]:
        """Those of the key's tenant in its mode."""
        return Suppression.objects.filter(tenant_id=self.caller.tenant_id, mode=self.caller.mode)


class SuppressionsEndpoint(_Suppressions):
    """`/v1/suppressions`."""

    @extend_schema(
        operation_id="listSuppressions",
        summary="List suppressed addresses",
        description="Newest first. Addresses are not kept in clear: ask for one by `channel` and"
        " `recipient`.",
        tags=_TAGS,
        parameters=[
            _query("limit", "Rows of one page.", {
                "type": "integer", "minimum": pagination.LEAST, "maximum": pagination.MOST,
                "default": pagination.DEFAULT,
            }),
            _query("cursor", "`next_cursor` of the page before, with the same filters."),
            _query("channel", "One channel.", {"type": "string", "enum": [*channels]}),
            _query("reason", "One reason.", {"type": "string", "enum": list(_REASONS)}),
            _query("recipient", "One address, however spelt; with its `channel`."),
        ],
        responses={200: SuppressionPage},
    )  # fmt: skip
    def get(self, request: HttpRequest) -> HttpResponse:
        """One page."""
        query = read_query(request, "channel", "reason", "recipient")
        rows = self.suppressions.filter(**self._filters(dict(query.filters)))
        scope = (self.caller.tenant, self.caller.mode, "suppressions")
        return answer(paginate(rows, query, scope=scope).body(_show))

    @extend_schema(
        operation_id="addSuppression",
        summary="Suppress an address",
        description="Nothing is sent to it any more: what is accepted for it ends `suppressed`.",
        tags=_TAGS,
        request=NewSuppression,
        responses={
            200: OpenApiResponse(ShownSuppression, "It was suppressed already; the reason stays."),
            201: OpenApiResponse(ShownSuppression, "Suppressed, with the reason `manual`."),
        },
        examples=[
            OpenApiExample(
                "E-mail",
                {"channel": "email", "recipient": "ada@example.com"},
                request_only=True,
            )
        ],
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Add one."""
        read_parameters(request)
        given: NewSuppression = validate(NewSuppression, read_json(request))
        if given.channel not in channels:
            text = f"This must be one of {', '.join(channels)}."
            raise Problem("invalid", errors=[FieldError("/channel", "not_an_option", text)])
        address = address_of(given.channel, given.recipient)
        owner = self.owner
        row, is_new = suppress(
            owner.tenant_id, owner.mode, given.channel, address, Suppression.Reason.MANUAL
        )
        return answer(_show(row), 201 if is_new else 200)

    def _filters(self, asked: dict[str, str]) -> dict[str, Any]:
        options = {"channel": tuple(channels), "reason": _REASONS}
        errors = [
            refused(name, "not_an_option", f"This must be one of {', '.join(allowed)}.")
            for name, allowed in options.items()
            if name in asked and asked[name] not in allowed
        ]
        if "recipient" in asked and "channel" not in asked:
            errors.append(refused("channel", "required", "An address is one of a channel."))
        if errors:
            raise Problem("bad-query", errors=errors)
        if "recipient" not in asked:
            return asked
        address = address_of(asked["channel"], asked.pop("recipient"), "bad-query")
        return asked | {"address": digest(self.caller.tenant_id, asked["channel"], address)}


class SuppressionEndpoint(_Suppressions):
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


def address_of(channel: str, text: str, problem: str = "invalid") -> str:
    """As the channel's requests take it. Raises Problem."""
    field = channels[channel].request.model_fields["recipient"]
    kind: Any = Annotated[(field.annotation, *field.metadata)]
    try:
        return str(validate(TypeAdapter(kind), text))
    except Problem as error:
        errors = [FieldError("/address", e.code, e.detail) for e in error.errors]
        raise Problem(problem, errors=errors) from error


def _show(row: Suppression) -> dict[str, Any]:
    return {
        "id": ids.show("sup", row.pk),
        "channel": row.channel,
        "reason": row.reason,
        "created_at": rfc3339.show(row.created_at),
    }
