"""Addresses of notifications below `/v1`."""

from __future__ import annotations

from django.urls import path

from notifications.api.blocks import BlockEndpoint, BlocksEndpoint
from notifications.api.branding import BrandEndpoint, PartialEndpoint, PartialsEndpoint
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
from notifications.api.notify import CancelRequestEndpoint, NotifyEndpoint, RequestEndpoint
from notifications.api.preferences import PreferencesEndpoint
from notifications.api.suppression_csv import ExportEndpoint, ImportEndpoint
from notifications.api.suppressions import SuppressionEndpoint, SuppressionsEndpoint
from notifications.api.template_tries import PreviewEndpoint, SendTestEndpoint
from notifications.api.templates import (
    DiffEndpoint,
    PublishEndpoint,
    ResetEndpoint,
    RollbackEndpoint,
    TemplateEndpoint,
    TemplatesEndpoint,
    VersionEndpoint,
    VersionsEndpoint,
)
from notifications.api.user_export import UserExportEndpoint
from notifications.api.users import (
    ErasureEndpoint,
    UserEndpoint,
    UsersBatchEndpoint,
    UsersEndpoint,
)
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
    path("notify", NotifyEndpoint.as_view(), name="notify"),
    path("requests/<str:request_id>", RequestEndpoint.as_view(), name="request"),
    path(
        "requests/<str:request_id>/cancel", CancelRequestEndpoint.as_view(), name="request-cancel"
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
    path("users", UsersEndpoint.as_view(), name="users"),
    path("users/batch", UsersBatchEndpoint.as_view(), name="users-batch"),
    path("users/<str:user_id>/export", UserExportEndpoint.as_view(), name="user-export"),
    path("erasures/<str:erasure_id>", ErasureEndpoint.as_view(), name="erasure"),
    path("users/<str:user_id>", UserEndpoint.as_view(), name="user"),
    path("suppressions", SuppressionsEndpoint.as_view(), name="suppressions"),
    path("suppressions/export", ExportEndpoint.as_view(), name="suppressions-export"),
    path("suppressions/import", ImportEndpoint.as_view(), name="suppressions-import"),
    path("suppressions/<str:suppression_id>", SuppressionEndpoint.as_view(), name="suppression"),
    path("templates", TemplatesEndpoint.as_view(), name="templates"),
    path("templates/reset", ResetEndpoint.as_view(), name="templates-reset"),
    path("templates/<str:template_id>", TemplateEndpoint.as_view(), name="template"),
    path(
        "templates/<str:template_id>/versions",
        VersionsEndpoint.as_view(),
        name="template-versions",
    ),
    path(
        "templates/<str:template_id>/versions/<str:number>",
        VersionEndpoint.as_view(),
        name="template-version",
    ),
    path(
        "templates/<str:template_id>/publish", PublishEndpoint.as_view(), name="template-publish"
    ),
    path(
        "templates/<str:template_id>/rollback",
        RollbackEndpoint.as_view(),
        name="template-rollback",
    ),
    path("templates/<str:template_id>/diff", DiffEndpoint.as_view(), name="template-diff"),
    path(
        "templates/<str:template_id>/preview", PreviewEndpoint.as_view(), name="template-preview"
    ),
    path(
        "templates/<str:template_id>/send-test",
        SendTestEndpoint.as_view(),
        name="template-send-test",
    ),
    path("template-partials", PartialsEndpoint.as_view(), name="template-partials"),
    path("template-partials/<str:name>", PartialEndpoint.as_view(), name="template-partial"),
    path("brand", BrandEndpoint.as_view(), name="brand"),
    path("blocks", BlocksEndpoint.as_view(), name="blocks"),
    path("blocks/<str:block_id>", BlockEndpoint.as_view(), name="block"),
    path("users/<str:user_id>/preferences", PreferencesEndpoint.as_view(), name="preferences"),
    path("users/<str:user_id>/consents", ConsentsEndpoint.as_view(), name="consents"),
]
