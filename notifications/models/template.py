"""Templates: what a tenant says, in versions and locales."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from tenants.models import HotTenantRow


class Template(HotTenantRow):
    """One text on one channel, by the slug that sends name it by.

    `system` is the name of the text that came with Hiram, while the template is one of those.
    """

    slug = models.CharField(max_length=100)
    channel = models.CharField(max_length=20)
    name = models.CharField(max_length=200)
    category = models.CharField(max_length=20)
    enabled = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=500, blank=True)
    system = models.CharField(max_length=100, null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", "slug", "channel", name="template_slug_once")
        ]
        indexes = [models.Index("tenant", "created_at", "id", name="template_feed")]

    def __str__(self) -> str:
        return self.slug


class TemplateVersion(HotTenantRow):
    """One state of a template's text; published or archived it does not change any more.

    `locales` are the sources by locale and part. `worked` is what publishing made of them: the
    parts as they are rendered, and the partials and brand as they were then.
    """

    class State(models.TextChoices):
        """At most one version of a template is published: the one that is sent."""

        DRAFT = "draft"
        PUBLISHED = "published"
        ARCHIVED = "archived"

    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.DRAFT)
    variables = models.JSONField(default=dict)
    default_locale = models.CharField(max_length=35)
    locales = models.JSONField()
    worked = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    published_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("tenant", "template", "number", name="template_version_once"),
            models.UniqueConstraint(
                fields=["tenant", "template"],
                condition=models.Q(state="published"),
                name="template_published_once",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="published") | models.Q(worked__isnull=False),
                name="template_published_is_worked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.state}"


class TemplatePartial(HotTenantRow):
    """A piece that a tenant's templates share; the one named `layout` goes around their HTML."""

    name = models.CharField(max_length=100)
    body = models.TextField()
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint("tenant", "name", name="template_partial_once")]

    def __str__(self) -> str:
        return self.name


class Brand(HotTenantRow):
    """A tenant's own variables, `brand` in its templates: name, colours, address, logo."""

    variables = models.JSONField(default=dict)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [models.UniqueConstraint("tenant", name="brand_once")]

    def __str__(self) -> str:
        return str(self.pk)
