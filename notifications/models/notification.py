"""What was asked and what became of it: the wide rows."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.fields.json import KT
from django.db.models.functions import Now

from notifications.states import OWED, SETTLED, STORED
from tenants.models import HotTenantRow


class Mode(models.TextChoices):
    """Where a notification may go: a real provider, the simulator, or nowhere."""

    LIVE = "live"
    TEST = "test"
    SHADOW = "shadow"


class Content(HotTenantRow):
    """Bodies and attachments: fields of the driver's message, as the channel wrote them."""

    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "contents"

    def __str__(self) -> str:
        return str(self.pk)


class Notification(HotTenantRow):
    """One message to one address on one channel.

    Made for partitions: nothing is unique but the id, and nothing has a foreign key into it.
    `address` is the recipient's digest, as suppressions have it. `chosen_provider_id` is the
    provider that `sender_scope` names for it. `expiry_moves` where `expires_at` is so many seconds
    from when it may go: of these, what it waits for its user later on is not one.
    """

    request_id = models.UUIDField(null=True)
    content_id = models.UUIDField()
    mode = models.CharField(max_length=6, choices=Mode.choices)
    channel = models.CharField(max_length=20)
    recipient = models.CharField(max_length=512)
    address = models.BinaryField(max_length=32, null=True, editable=False)
    user_id = models.CharField(max_length=256, null=True)
    org_id = models.CharField(max_length=256, null=True)
    template = models.CharField(max_length=100, null=True)
    template_version_id = models.UUIDField(null=True)
    template_version = models.PositiveIntegerField(null=True)
    locale = models.CharField(max_length=35, null=True)
    sender_scope = models.CharField(max_length=4, null=True)
    chosen_provider_id = models.UUIDField(null=True)
    subject = models.TextField(blank=True)
    category = models.CharField(max_length=20)
    priority = models.CharField(max_length=6)
    cancel_key = models.CharField(max_length=255, null=True)
    status = models.CharField(max_length=12)
    reason = models.CharField(max_length=60, null=True)
    metadata = models.JSONField(default=dict)
    traceparent = models.CharField(max_length=55, null=True)
    generation = models.PositiveSmallIntegerField(default=0)
    provider_id = models.UUIDField(null=True)
    provider_name = models.CharField(max_length=100, null=True)
    driver = models.CharField(max_length=60, null=True)
    provider_message_id = models.CharField(max_length=512, null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    scheduled_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    expiry_moves = models.BooleanField(db_default=False)
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    body_erased_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(STORED)), name="notification_status_stored"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(SETTLED), settled_at__isnull=False)
                | models.Q(status__in=sorted(OWED), settled_at__isnull=True),
                name="notification_settled_has_time",
            ),
            models.CheckConstraint(
                condition=models.Q(body_erased_at=None) | models.Q(settled_at__isnull=False),
                name="notification_owed_has_body",
            ),
        ]
        indexes = [
            models.Index("tenant", "mode", "created_at", "id", name="notification_feed"),
            models.Index("tenant", "recipient", "created_at", name="notification_recipient"),
            models.Index(
                "tenant",
                "status",
                "created_at",
                condition=~models.Q(status__in=["sent", "accepted"]),
                name="notification_unusual",
            ),
            models.Index(
                "created_at", condition=models.Q(status__in=sorted(OWED)), name="notification_owed"
            ),
            GinIndex(
                fields=["metadata"],
                opclasses=["jsonb_path_ops"],
                condition=~models.Q(metadata={}),
                name="notification_metadata",
            ),
            models.Index(
                "tenant",
                "mode",
                "cancel_key",
                condition=models.Q(cancel_key__isnull=False),
                name="notification_cancel_key",
            ),
            models.Index(
                "request_id",
                "id",
                condition=models.Q(request_id__isnull=False),
                name="notification_request",
            ),
            models.Index(
                "tenant",
                "user_id",
                "created_at",
                condition=models.Q(user_id__isnull=False),
                name="notification_user",
            ),
            # What has a body and will lose it, and who else has the same; see `retention`.
            models.Index(
                "tenant",
                "category",
                "settled_at",
                condition=models.Q(settled_at__isnull=False, body_erased_at=None),
                name="notification_retained",
            ),
            models.Index(
                "content_id",
                condition=models.Q(body_erased_at=None) & ~models.Q(content_id=models.F("id")),
                name="notification_shares",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Event(HotTenantRow):
    """A fact about a notification, or about a provider, in the order in which transactions became
    visible.

    `transaction` is the writing transaction's id: a feed that orders by it and stops below the
    oldest running one never skips a late commit.
    """

    notification_id = models.UUIDField(null=True)
    mode = models.CharField(max_length=6, choices=Mode.choices)
    type = models.CharField(max_length=60)
    data = models.JSONField(default=dict)
    transaction = models.BigIntegerField(
        db_default=models.functions.Cast(
            models.functions.Cast(
                models.Func(function="pg_current_xact_id", output_field=models.TextField()),
                models.TextField(),
            ),
            models.BigIntegerField(),
        ),
        editable=False,
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            models.Index("notification_id", name="event_by_notification"),
            models.Index("tenant", "transaction", "id", name="event_feed"),
            models.Index(
                KT("data__replay_id"),
                name="event_by_replay",
                condition=models.Q(type="notification.replayed"),
            ),
        ]

    def __str__(self) -> str:
        return self.type


class DeadLetter(HotTenantRow):
    """A notification that ended `failed`, kept until it is replayed or dropped."""

    notification_id = models.UUIDField()
    reason = models.CharField(max_length=60)
    detail = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "tenant",
                "notification_id",
                condition=models.Q(closed_at=None),
                name="dead_letter_open_once",
            )
        ]

    def __str__(self) -> str:
        return self.reason


class IdempotencyRecord(HotTenantRow):
    """The answer that a key was given, for as long as the key is remembered."""

    mode = models.CharField(max_length=6, choices=Mode.choices)
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", "mode", "key", name="idempotency_key_once")
        ]
        indexes = [models.Index("expires_at", name="idempotency_expiry")]

    def __str__(self) -> str:
        return self.key
