"""`/v1/blocks`: a stop of all that a tenant sends, or of one channel."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from hiram.lib import ids, rfc3339
from hiram.lib.pagination import paginate, read_parameters, read_query
from hiram.lib.problems import Problem
from hiram.lib.rest import answer, read_json, validate
from notifications.api.endpoints import READ, WRITE, OfCaller
from notifications.api.options import PAGING, Channel, options_only, query_parameter
from notifications.api.shapes import ChannelName, Moment
from notifications.api.until import Expiry, check_ahead
from notifications.models import Block
from notifications.one_line import one_line
from notifications.shelves import channels
from notifications.withhold import withhold_from_channel

_TAGS = ["blocks"]
_ID = OpenApiParameter(
    "block_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="`blk_...`"
)


class NewBlock(BaseModel):
    """The body of `POST /v1/blocks`."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    channel: Channel | None = Field(None, description="Null: every channel.")
    reason: Annotated[
        str, StringConstraints(min_length=1, max_length=500), AfterValidator(one_line)
    ] = Field(examples=["Wrong prices in the catalogue"])
    expires_at: Expiry = Field(None, description="Until then; null: until it is deleted.")


class ShownBlock(BaseModel):
    """A block; one that has expired blocks nothing."""

    id: str = Field(examples=["blk_01M7XPVS3MEJ8V36AJKWHG10T2"])
    channel: ChannelName | None
    reason: str
    expires_at: Moment | None
    created_at: Moment


class MadeBlock(ShownBlock):
    """A block that was just made."""

    ended: int = Field(
        description="Notifications that were owed and ended `suppressed` at once. What is left of"
        " very many ends as each comes due."
    )


class BlockPage(BaseModel):
    """One page, newest first."""

    data: list[ShownBlock]
    next_cursor: str | None
    has_more: bool


class _Blocks(OfCaller):
    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": WRITE, "DELETE": WRITE}

    @property
    def blocks(self) -> QuerySet[Block]:
        """Those of the key's tenant in its mode."""
        return Block.objects.filter(tenant_id=self.caller.tenant_id, mode=self.caller.mode)


class BlocksEndpoint(_Blocks):
    """`/v1/blocks`."""

    @extend_schema(
        operation_id="listBlocks",
        summary="List blocks",
        description="Newest first, also those that have expired.",
        tags=_TAGS,
        parameters=[*PAGING, query_parameter("channel", "One channel.", *channels)],
        responses={200: BlockPage},
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """One page."""
        query = read_query(request, "channel")
        options_only(query.filters, channel=tuple(channels))
        scope = (self.caller.tenant, self.caller.mode, "blocks")
        rows = self.blocks.filter(**query.filters)
        return answer(paginate(rows, query, scope=scope).body(_show))

    @extend_schema(
        operation_id="addBlock",
        summary="Block a channel, or all",
        description="Nothing goes out by it: what is owed, due or scheduled, and what is accepted"
        " meanwhile ends `suppressed` with the reason `block`.",
        tags=_TAGS,
        request=NewBlock,
        responses={201: MadeBlock},
        examples=[
            OpenApiExample(
                "Text messages",
                {"channel": "sms", "reason": "Wrong prices in the catalogue", "expires_at": None},
                request_only=True,
            )
        ],
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        """Add one."""
        read_parameters(request)
        given: NewBlock = validate(NewBlock, read_json(request))
        check_ahead(given.expires_at)
        owner = self.owner
        row = Block(tenant_id=owner.tenant_id, mode=owner.mode, **given.model_dump())
        row.save(force_insert=True)
        row.refresh_from_db(fields=["created_at"])
        ended = withhold_from_channel(owner, row.channel)
        return answer(_show(row) | {"ended": ended}, 201)


class BlockEndpoint(_Blocks):
    """`/v1/blocks/{id}`."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ, "DELETE": WRITE}

    @extend_schema(
        operation_id="getBlock",
        summary="Read a block",
        tags=_TAGS,
        parameters=[_ID],
        responses={200: ShownBlock},
    )
    def get(self, request: HttpRequest, block_id: str) -> HttpResponse:
        """Show one."""
        read_parameters(request)
        row = self._found(block_id).first()
        if row is None:
            raise Problem("not-found")
        return answer(_show(row))

    @extend_schema(
        operation_id="deleteBlock",
        summary="Delete a block",
        description="What ended `suppressed` stays so.",
        tags=_TAGS,
        parameters=[_ID],
        responses={204: OpenApiResponse(description="Gone.")},
    )
    def delete(self, request: HttpRequest, block_id: str) -> HttpResponse:
        """Remove it; a second time there is none."""
        read_parameters(request)
        gone, _ = self._found(block_id).delete()
        if not gone:
            raise Problem("not-found")
        return HttpResponse(status=204)

    def _found(self, shown: str) -> QuerySet[Block]:
        try:
            return self.blocks.filter(pk=ids.parse("blk", shown))
        except ids.MalformedId as error:
            raise Problem("not-found") from error


def _show(row: Block) -> dict[str, Any]:
    return {
        "id": ids.show("blk", row.pk),
        "channel": row.channel,
        "reason": row.reason,
        "expires_at": rfc3339.show_if(row.expires_at),
        "created_at": rfc3339.show(row.created_at),
    }
