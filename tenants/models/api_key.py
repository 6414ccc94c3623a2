"""API keys: `hk_live_` or `hk_test_`, 30 random base62 characters, 6 of checksum.

The checksum (CRC-32, as GitHub's tokens have it) lets a mistyped key be refused, and a leaked one
be recognised by scanners, without a query. Only the SHA-256 of the whole key is stored: 178 bits
of entropy need no slow hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.models.base import TenantRow

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(r"hk_(?:live|test)_[0-9A-Za-z]{36}", re.ASCII)
_RANDOM = 30

PREFIX_CHARACTERS = 12


class Scope(models.TextChoices):
    """What a key may do. A scope `x:write` does not include `x:read`."""

    NOTIFICATIONS_WRITE = "notifications:write"
    NOTIFICATIONS_READ = "notifications:read"
    PROVIDERS_WRITE = "providers:write"
    PROVIDERS_READ = "providers:read"
    POLICIES_WRITE = "policies:write"
    POLICIES_READ = "policies:read"
    WEBHOOKS_WRITE = "webhooks:write"
    WEBHOOKS_READ = "webhooks:read"
    USERS_WRITE = "users:write"
    USERS_READ = "users:read"
    TEMPLATES_WRITE = "templates:write"
    TEMPLATES_READ = "templates:read"


ALL_SCOPES: tuple[str, ...] = tuple(Scope.values)


class ApiKey(TenantRow):
    """One key; shown once when made, revoked by `revoked_at`."""

    class Mode(models.TextChoices):
        """A test key never reaches a real provider."""

        LIVE = "live"
        TEST = "test"

    name = models.CharField(max_length=100)
    mode = models.CharField(max_length=4, choices=Mode.choices, default=Mode.LIVE)
    prefix = models.CharField(max_length=PREFIX_CHARACTERS, editable=False)
    digest = models.BinaryField(max_length=32, editable=False, unique=True)
    scopes = ArrayField(models.CharField(max_length=40, choices=Scope.choices), default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        indexes = [models.Index("tenant", "created_at", name="api_key_by_tenant")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


def new_key(mode: str) -> str:
    """The text of a fresh key for `live` or `test`."""
    head = f"hk_{mode}_{''.join(secrets.choice(_BASE62) for _ in range(_RANDOM))}"
    return head + _checksum(head)


def is_well_formed(key: str) -> bool:
    """Whether shape and checksum are right: nothing is said about whether it exists."""
    return _SHAPE.fullmatch(key) is not None and key[-6:] == _checksum(key[:-6])


def digest(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode()).digest()


def _checksum(head: str) -> str:
    n = zlib.crc32(head.encode())
    characters = ""
    for _ in range(6):
        n, digit = divmod(n, 62)
        characters = _BASE62[digit] + characters
    return characters
