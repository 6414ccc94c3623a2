"""The app's registration with Django."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings

from hiram.env import Misconfigured
from hiram.lib.vault import BadKey, Vault


class TenantsConfig(AppConfig):
    """See `docs/architecture.md`."""

    name = "tenants"

    def ready(self) -> None:
        """Refuse to start with encryption keys that nothing can be sealed with.

        Raises:
            Misconfigured: a key is not 32 octets of URL-safe base64.
        """
        try:
            Vault(settings.ENCRYPTION_KEYS)
        except BadKey as error:
            raise Misconfigured(f"HIRAM_ENCRYPTION_KEYS: {error}") from error
