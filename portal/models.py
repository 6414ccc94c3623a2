"""Trestleboard: what is new, and what each user has read of it.

The one table of the portal's own. It belongs to the installation, not to a tenant: everybody
reads the same page, logged in or not.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from tenants.models import Identified


class Entry(Identified):
    """One piece of news: what changed in which way in a version, in Markdown."""

    class Kind(models.TextChoices):
        """The kinds of Keep a Changelog 1.1.0 (keepachangelog.com), in its order."""

        ADDED = "added"
        CHANGED = "changed"
        DEPRECATED = "deprecated"
        REMOVED = "removed"
        FIXED = "fixed"
        SECURITY = "security"

    class Source(models.TextChoices):
        """Written here by an operator, or loaded from Hiram's CHANGELOG.md."""

        OWN = "own"
        FILE = "file"

    version = models.CharField(max_length=50, blank=True)
    date = models.DateField()
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.CHANGED)
    body = models.TextField(help_text="Markdown. HTML and pictures are not shown.")
    published = models.BooleanField(default=True)
    source = models.CharField(
        max_length=4, choices=Source.choices, default=Source.OWN, editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "entries"
        ordering = ("-date", "-version", "kind", "id")
        constraints: ClassVar = [
            models.UniqueConstraint(
                "version", "kind", condition=models.Q(source="file"), name="entry_of_file_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.version or self.date}: {self.kind}"


class Reading(models.Model):
    """A user has read an entry."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    entry = models.ForeignKey(Entry, on_delete=models.CASCADE, related_name="readings")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("user", "entry", name="reading_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.entry_id}"
