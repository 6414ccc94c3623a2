"""What is owed: the narrow, hot tables of the engine, and the evidence of its attempts."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from notifications.models.notification import Mode
from tenants.models import HotTenantRow, Identified

CLASSES = {"high": 0, "normal": 1, "bulk": 2}
"""Priorities as the engine orders them."""


class Lane(HotTenantRow):
    """Tenant x mode x topic or channel x priority: the unit of fairness and of pause.

    Its id is made from these four (UUIDv5), so that accept can name a lane without reading it. A
    webhook endpoint has a lane of its own, whose id is the endpoint's.
    """

    mode = models.CharField(max_length=6, choices=Mode.choices)
    topic = models.CharField(max_length=20)
    rank = models.PositiveSmallIntegerField()
    endpoint_id = models.UUIDField(null=True)
    weight = models.PositiveSmallIntegerField(db_default=1)
    max_in_flight = models.PositiveSmallIntegerField(null=True)
    paused_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=60, null=True)
    resume_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "mode", "topic", "rank", "endpoint_id"],
                nulls_distinct=False,
                name="lane_once",
            ),
            models.CheckConstraint(
                condition=models.Q(paused_at=None, reason=None)
                | models.Q(paused_at__isnull=False, reason__isnull=False),
                name="lane_pause_has_reason",
            ),
        ]
        indexes = [
            models.Index("reason", condition=models.Q(paused_at__isnull=False), name="lane_paused")
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.rank}"


class OutboxMessage(HotTenantRow):
    """One thing owed. The row exists exactly while it is owed; its id is the owed thing's.

    `due_at` means ready at, retry at, or lease ends at: a crashed worker's row is simply due
    again. `claims` counts claims without an outcome (the poison meter), `tries` the outcomes
    that count against the retry schedule. Lost answers of attempts with a fence up to
    `released_fence` are no reason to hold it: somebody decided that it may be sent twice. Of the
    rows with one `ordering_key` only the first by `seq` is due, the others when they expire.
    """

    topic = models.CharField(max_length=20)
    lane_id = models.UUIDField()
    rank = models.PositiveSmallIntegerField()
    seq = models.BigIntegerField(
        db_default=models.Func(
            models.Value("notifications_outbox_seq"),
            function="nextval",
            output_field=models.BigIntegerField(),
        )
    )
    due_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    fence = models.BigIntegerField(db_default=0)
    leased_by = models.CharField(max_length=80, null=True)
    tries = models.PositiveSmallIntegerField(db_default=0)
    claims = models.PositiveSmallIntegerField(db_default=0)
    released_fence = models.BigIntegerField(db_default=0)
    ordering_key = models.CharField(max_length=300, null=True)
    traceparent = models.CharField(max_length=55, null=True)

    class Meta:
        indexes = [
            models.Index("rank", "lane_id", "due_at", name="outbox_due"),
            models.Index(
                "lane_id", condition=models.Q(leased_by__isnull=False), name="outbox_leased"
            ),
            models.Index(
                "tenant",
                "ordering_key",
                "seq",
                condition=models.Q(ordering_key__isnull=False),
                name="outbox_ordered",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.pk}"


class RestoreFence(Identified):
    """While it has a row, nothing is claimed: the instance runs from a copy; `delivery.fence`."""

    raised_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"since {self.raised_at}"


class Attempt(HotTenantRow):
    """One call of a provider. The row is committed as `started` before the first byte goes out."""

    class Outcome(models.TextChoices):
        """What is known of the call; unknown and abandoned may have taken effect."""

        STARTED = "started"
        SENT = "sent"
        SHADOW = "shadow_would_send"
        REFUSED = "refused"
        REJECTED = "rejected"
        UNKNOWN = "unknown"
        ABANDONED = "abandoned"

    subject_id = models.UUIDField()
    number = models.PositiveSmallIntegerField()
    fence = models.BigIntegerField()
    worker = models.CharField(max_length=80)
    outcome = models.CharField(max_length=20, choices=Outcome.choices, default=Outcome.STARTED)
    fault = models.CharField(max_length=20, null=True)
    code = models.CharField(max_length=40, null=True)
    enhanced_code = models.CharField(max_length=20, null=True)
    error = models.TextField(null=True)
    provider_id = models.UUIDField(null=True)
    provider_name = models.CharField(max_length=100, null=True)
    driver = models.CharField(max_length=60, null=True)
    shadow = models.BooleanField(default=False)
    response = models.TextField(null=True)
    route = models.JSONField(null=True)
    payload_sha256 = models.CharField(max_length=64, null=True)
    provider_message_id = models.CharField(max_length=512, null=True)
    copies = models.JSONField(null=True)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index("subject_id", "fence", name="attempt_by_subject"),
            models.Index("started_at", condition=models.Q(outcome="started"), name="attempt_open"),
            models.Index(
                "started_at",
                condition=models.Q(response__isnull=False),
                name="attempt_with_response",
            ),
            # How receipts find it: the vendor's own name of the message.
            models.Index(
                "provider_id",
                "provider_message_id",
                condition=models.Q(provider_message_id__isnull=False),
                name="attempt_by_vendors_id",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.outcome}"
