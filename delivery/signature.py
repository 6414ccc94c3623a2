"""Signature: the headers that let a receiver verify a webhook. Pure.

Standard Webhooks (https://www.standardwebhooks.com): `webhook-signature` has `v1,` with the
HMAC-SHA256 of `id.timestamp.body` for each live secret, and for endpoints that ask `v1a,` with
its ed25519 signature. `X-Hiram-Signature: t=<unix>,v1=<hex>` is the HMAC-SHA256 of `t.body`.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from notifications.secrets import live, octets


def signature(
    message_id: str, at: int, body: bytes, kept: Mapping[str, Any], *, asymmetric: bool
) -> dict[str, str]:
    """The headers; `at` is in seconds since 1970, `kept` what the endpoint keeps sealed."""
    signed = f"{message_id}.{at}.".encode() + body
    keys = [octets(secret) for secret in live(kept, at)]
    standard = [f"v1,{_base64(hmac.digest(key, signed, 'sha256'))}" for key in keys]
    if asymmetric:
        private = Ed25519PrivateKey.from_private_bytes(octets(kept["key"]))
        standard.append(f"v1a,{_base64(private.sign(signed))}")
    plain = f"{at}.".encode() + body
    ours = [f"v1={hmac.digest(key, plain, 'sha256').hex()}" for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(standard),
        "X-Hiram-Signature": ",".join([f"t={at}", *ours]),
    }


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
