"""`/v1/users/{user_id}/export`: everything that is known of a user."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from pydantic import BaseModel

from hiram.lib.pagination import paginate, read_query
from hiram.lib.rest import answer
from notifications.api import consents, preferences, suppressions
from notifications.api.docs import PAGE
from notifications.api.shapes import NotificationRecord
from notifications.api.user_bodies import ShownUser
from notifications.api.user_docs import TAGS, USER_ID
from notifications.api.users import READ, OfUsers, show
from notifications.models import Consent, Content, Subscriber, Suppression
from notifications.preferences import wishes
from notifications.record import show_all
from notifications.suppression import digest


class ExportedNotification(NotificationRecord):
    """A notification with its text, while that is kept."""

    content: dict[str, Any] | None


class Export(BaseModel):
    """Everything; of the notifications one page, newest first."""

    user: ShownUser
    preferences: preferences.ShownPreferences
    consents: list[consents.ShownConsent]
    suppressions: list[suppressions.ShownSuppression]
    notifications: list[ExportedNotification]
    next_cursor: str | None
    has_more: bool


class UserExportEndpoint(OfUsers):
    """`/v1/users/{user_id}/export`."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @extend_schema(
        operation_id="exportUser",
        summary="Export a user",
        description="Everything that is known of it, to be handed over. Follow `next_cursor` for"
        " the rest of the notifications.",
        tags=TAGS,
        parameters=[USER_ID, *PAGE],
        responses={200: OpenApiResponse(Export, "Everything.")},
    )
    def get(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """One page of it."""
        query = read_query(request)
        user = self.user(user_id)
        of = {"tenant_id": user.tenant_id, "mode": user.mode}
        receipts = Consent.objects.filter(**of, user_id=user_id).order_by("-created_at", "-id")
        own = self.rows.filter(user_id=user_id)
        page = paginate(own, query, scope=(str(user.pk), "export"))
        found = [row.content_id for row in page.rows]
        texts = dict(Content.objects.filter(pk__in=found).values_list("pk", "payload"))
        shown = {
            row.pk: one | {"content": texts.get(row.content_id)}
            for row, one in zip(page.rows, show_all(page.rows), strict=True)
        }
        body = page.body(lambda row: shown[row.pk])
        return answer(
            {
                "user": show(user),
                "preferences": preferences.show(user, wishes(self.owner, user_id)),
                "consents": [consents.show(row) for row in receipts],
                "suppressions": [
                    suppressions.show(row)
                    for row in Suppression.objects.filter(**of, address__in=_digests(user))
                ],
                "notifications": body.pop("data"),
                **body,
            }
        )


def _digests(user: Subscriber) -> list[bytes]:
    return [digest(user.tenant_id, *address) for address in user.addresses.items()]
