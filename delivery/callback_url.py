"""Callback URL: where a provider's vendor reports to, with a token of its own in it.

The token is computed (HMAC-SHA256 under `HIRAM_SECRET_KEY`), so nothing is stored and a wrong one
is refused without a look at the database, whether or not there is such a provider.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings

from hiram.lib import ids
from hiram.lib.signing import BadToken, sign, unsign

PATH = "/callbacks/"
_PURPOSE = "callback"


def callback_url(driver: str, provider_id: UUID) -> str:
    """The public address for this provider."""
    token = sign(provider_id.bytes, secret=settings.SECRET_KEY, purpose=_PURPOSE)
    return f"{settings.PUBLIC_URL}{PATH}{driver}/{ids.show('prv', provider_id)}/{token}"


def named(shown: str, token: str) -> UUID | None:
    """The provider that this id names, if the token is its own."""
    try:
        found = unsign(token, secret=settings.SECRET_KEY, purpose=_PURPOSE)
        return UUID(bytes=found) if found == ids.parse("prv", shown).bytes else None
    except (BadToken, ids.MalformedId, ValueError):
        return None
