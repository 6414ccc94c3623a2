"""Secrets that sign webhooks: made, rotated, and listed while they live. Pure but for chance.

Their form is that of Standard Webhooks (https://www.standardwebhooks.com): `whsec_` and base64 of
24 octets or more for HMAC; `whsk_` and `whpk_` for the private and public key of ed25519.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

OCTETS = 32
LIVE_MOST = 5
OLD_LIVES_SECONDS = 86_400
"""How long a secret signs on after it was rotated away."""


def new(headers: Mapping[str, str]) -> dict[str, Any]:
    """What a fresh endpoint keeps sealed."""
    private = Ed25519PrivateKey.generate().private_bytes(
        Encoding.Raw, PrivateFormat.Raw, NoEncryption()
    )
    return {
        "secrets": [{"secret": _secret(), "until": None}],
        "key": f"whsk_{base64.b64encode(private).decode()}",
        "headers": dict(headers),
    }


def rotated(kept: Mapping[str, Any], at: float) -> dict[str, Any]:
    """With a new secret; those before sign on for a day, five at most in all."""
    old = [
        {**one, "until": one["until"] or at + OLD_LIVES_SECONDS}
        for one in kept["secrets"]
        if one["until"] is None or one["until"] > at
    ]
    fresh = {"secret": _secret(), "until": None}
    return {**kept, "secrets": [fresh, *old][:LIVE_MOST]}


def live(kept: Mapping[str, Any], at: float) -> Sequence[str]:
    """Those that sign at this moment, in seconds since 1970; the newest first."""
    return [one["secret"] for one in kept["secrets"] if one["until"] is None or one["until"] > at]


def public_key(kept: Mapping[str, Any]) -> str:
    """What verifies the signatures of its key."""
    private = Ed25519PrivateKey.from_private_bytes(octets(kept["key"]))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"whpk_{base64.b64encode(public).decode()}"


def octets(secret: str) -> bytes:
    """A secret's or key's octets, without its prefix."""
    return base64.b64decode(secret.partition("_")[2])


def _secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(OCTETS)).decode()}"
