"""Words that several bodies and queries take: channels, categories, addresses; and paging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from pydantic import AfterValidator, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from hiram.lib import pagination
from hiram.lib.pagination import refused
from hiram.lib.problems import FieldError, Problem
from hiram.lib.rest import validate
from notifications.shelves import channels
from tenants.policy import DEFAULTS

CATEGORIES = tuple(DEFAULTS)


def one_of(options: tuple[str, ...]) -> AfterValidator:
    """A pydantic check that the text is among these."""

    def check(text: str) -> str:
        if text not in options:
            raise PydanticCustomError(
                "not_an_option", "This must be one of {all}", {"all": ", ".join(options)}
            )
        return text

    return AfterValidator(check)


Category = Annotated[str, one_of(CATEGORIES), Field(json_schema_extra={"enum": list(CATEGORIES)})]
Channel = Annotated[str, one_of(tuple(channels)), Field(json_schema_extra={"enum": [*channels]})]


def query_parameter(name: str, about: str, *options: str) -> OpenApiParameter:
    """One parameter of a query, as the document has it."""
    schema: Any = {"type": "string", "enum": list(options)} if options else OpenApiTypes.STR
    return OpenApiParameter(name, schema, OpenApiParameter.QUERY, description=about)


PAGING = (
    OpenApiParameter(
        "limit",
        {
            "type": "integer", "minimum": pagination.LEAST, "maximum": pagination.MOST,
            "default": pagination.DEFAULT,
        },
        OpenApiParameter.QUERY,
        description="Rows of one page.",
    ),
    query_parameter("cursor", "`next_cursor` of the page before, with the same filters."),
)  # fmt: skip
"""What every list takes."""


def options_only(filters: Mapping[str, str], **options: tuple[str, ...]) -> None:
    """Raises Problem: 400 where a filter is not among its options."""
    errors = [
        refused(name, "not_an_option", f"This must be one of {', '.join(allowed)}.")
        for name, allowed in options.items()
        if name in filters and filters[name] not in allowed
    ]
    if errors:
        raise Problem("bad-query", errors=errors)


def address_of(channel: str, text: str, problem: str = "invalid") -> str:
    """As the channel's requests take it. Raises Problem."""
    field = channels[channel].request.model_fields["recipient"]
    kind: Any = Annotated[(field.annotation, *field.metadata)]
    try:
        return str(validate(TypeAdapter(kind), text))
    except Problem as error:
        errors = [FieldError("/address", e.code, e.detail) for e in error.errors]
        raise Problem(problem, errors=errors) from error
