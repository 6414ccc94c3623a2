"""What the endpoints below one user's address share."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from notifications.api.endpoints import OfCaller
from notifications.models import Subscriber
from notifications.subscribers import find_user
from tenants.models import Scope

READ, WRITE = Scope.USERS_READ.value, Scope.USERS_WRITE.value

USER_ID = OpenApiParameter(
    "user_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="Your own id of the user; what a URL's path cannot hold is percent-encoded.",
)


class OfUser(OfCaller):
    """What belongs to one of the tenant's users, in the key's mode."""

    scopes: ClassVar[dict[str, str]] = {
        "GET": READ, "PUT": WRITE, "PATCH": WRITE, "POST": WRITE,
    }  # fmt: skip

    def user(self, user_id: str) -> Subscriber:
        """The user. Raises Problem: 404 for another tenant's or mode's, or an unknown one."""
        return find_user(self.caller.tenant_id, self.caller.mode, user_id)
