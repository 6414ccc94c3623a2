"""What the endpoints below one user's address share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from hiram.lib import pagination
from hiram.lib.pagination import refused
from hiram.lib.problems import Problem
from notifications.api.endpoints import OfCaller
from notifications.models import Subscriber
from notifications.shelves import channels
from notifications.subscribers import find_user
from tenants.models import Scope
from tenants.policy import DEFAULTS

READ, WRITE = Scope.USERS_READ.value, Scope.USERS_WRITE.value

USER_ID = OpenApiParameter(
    "user_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="Your own id of the user; what a URL's path cannot hold is percent-encoded.",
)
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


def options_only(filters: Mapping[str, str], **options: tuple[str, ...]) -> None:
    """Raises Problem: 400 where a filter is not among its options."""
    errors = [
        refused(name, "not_an_option", f"This must be one of {', '.join(allowed)}.")
        for name, allowed in options.items()
        if name in filters and filters[name] not in allowed
    ]
    if errors:
        raise Problem("bad-query", errors=errors)


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


class OfUser(OfCaller):
    """What belongs to one of the tenant's users, in the key's mode."""

    scopes: ClassVar[dict[str, str]] = {
        "GET": READ, "PUT": WRITE, "PATCH": WRITE, "POST": WRITE,
    }  # fmt: skip

    def user(self, user_id: str) -> Subscriber:
        """The user. Raises Problem: 404 for another tenant's or mode's, or an unknown one."""
        return find_user(self.caller.tenant_id, self.caller.mode, user_id)
