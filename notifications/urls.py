"""Addresses of notifications below `/v1`."""

from __future__ import annotations

from django.urls import path

from notifications.api.blocks import BlockEndpoint, BlocksEndpoint
from notifications.api.consents import ConsentsEndpoint
from notifications.api.dead_letters import (
    DeadLettersEndpoint,
    ReplayEndpoint,
    ReplayManyEndpoint,
    ReplayProgressEndpoint,
)
from notifications.api.endpoints import (
    AttemptsEndpoint,
    BatchEndpoint,
    CancelEndpoint,
    CancelOneEndpoint,
    NotificationEndpoint,
    NotificationsEndpoint,
)
from notifications.api.feed import EventsEndpoint
from notifications.api.held import (
    DropEndpoint,
    DropManyEndpoint,
    ReleaseEndpoint,
    ReleaseManyEndpoint,
)
from notifications.api.preferences import PreferencesEndpoint
from notifications.api.suppression_csv import ExportEndpoint, ImportEndpoint
from notifications.api.suppressions import SuppressionEndpoint, SuppressionsEndpoint
from notifications.api.webhooks import (
    DeliveriesEndpoint,
    RecoverEndpoint,
    RotateSecretEndpoint,
    TestEndpoint,
    WebhookEndpointEndpoint,
    WebhooksEndpoint,
)

urlpatterns = [
    path("events", EventsEndpoint.as_view(), name="events"),
    path("webhooks", WebhooksEndpoint.as_view(), name="webhooks"),
    path("webhooks/<str:webhook_id>", WebhookEndpointEndpoint.as_view(), name="webhook"),
    path(
        "webhooks/<str:webhook_id>/rotate-secret",
        RotateSecretEndpoint.as_view(),
        name="webhook-rotate-secret",
    ),
    path("webhooks/<str:webhook_id>/test", TestEndpoint.as_view(), name="webhook-test"),
    path("webhooks/<str:webhook_id>/recover", RecoverEndpoint.as_view(), name="webhook-recover"),
    path(
        "webhooks/<str:webhook_id>/deliveries",
        DeliveriesEndpoint.as_view(),
        name="webhook-deliveries",
    ),
    path("notifications", NotificationsEndpoint.as_view(), name="notifications"),
    path("notifications/batch", BatchEndpoint.as_view(), name="notification-batch"),
    path(
        "notifications/<str:notification_id>", NotificationEndpoint.as_view(), name="notification"
    ),
    path(
        "notifications/<str:notification_id>/attempts",
        AttemptsEndpoint.as_view(),
        name="notification-attempts",
    ),
    path(
        "notifications/<str:notification_id>/cancel",
        CancelOneEndpoint.as_view(),
        name="notification-cancel",
    ),
    path(
        "notifications/<str:notification_id>/replay",
        ReplayEndpoint.as_view(),
        name="notification-replay",
    ),
    path(
        "notifications/<str:notification_id>/release",
        ReleaseEndpoint.as_view(),
        name="notification-release",
    ),
    path(
        "notifications/<str:notification_id>/drop",
        DropEndpoint.as_view(),
        name="notification-drop",
    ),
    path("held/release", ReleaseManyEndpoint.as_view(), name="held-release"),
    path("held/drop", DropManyEndpoint.as_view(), name="held-drop"),
    path("dead-letters", DeadLettersEndpoint.as_view(), name="dead-letters"),
    path("dead-letters/replay", ReplayManyEndpoint.as_view(), name="dead-letters-replay"),
    path(
        "dead-letters/replay/<str:replay_id>",
        ReplayProgressEndpoint.as_view(),
        name="dead-letters-replay-progress",
    ),
    path("cancel", CancelEndpoint.as_view(), name="cancel"),
    path("suppressions", SuppressionsEndpoint.as_view(), name="suppressions"),
    path("suppressions/export", ExportEndpoint.as_view(), name="suppressions-export"),
    path("suppressions/import", ImportEndpoint.as_view(), name="suppressions-import"),
    path("suppressions/<str:suppression_id>", SuppressionEndpoint.as_view(), name="suppression"),
    path("blocks", BlocksEndpoint.as_view(), name="blocks"),
    path("blocks/<str:block_id>", BlockEndpoint.as_view(), name="block"),
    # Users' ids may hold slashes: what stands below a user comes before the user.
    path("users/<path:user_id>/preferences", PreferencesEndpoint.as_view(), name="preferences"),
    path("users/<path:user_id>/consents", ConsentsEndpoint.as_view(), name="consents"),
]
