"""Keyed digests for small public tokens (cursors, invites): HMAC-SHA256, a purpose each."""

from __future__ import annotations

import base64
import hashlib
import hmac

_MAC_BYTES = 16


class BadToken(ValueError):
    """The token was not made by us for this purpose, or was changed."""


def sign(payload: bytes, *, secret: str, purpose: str) -> str:
    """URL-safe text of the payload and its digest, truncated to 128 bits (RFC 2104, section 5)."""
    return _text(_mac(payload, secret, purpose) + payload)


def unsign(token: str, *, secret: str, purpose: str) -> bytes:
    """The payload of a token made by `sign` with the same secret and purpose.

    Raises:
        BadToken: anything else.
    """
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError as error:
        raise BadToken("the token is not URL-safe base64") from error
    if _text(raw) != token:
        raise BadToken("the token is not in its one spelling")
    return _checked(raw, secret, purpose)


def sign_caseless(payload: bytes, *, secret: str, purpose: str) -> str:
    """The same where letters' cases may be lost on the way: base32 (RFC 4648), in lower case.

    Of 16 bytes it makes 52 characters.
    """
    return _caseless(_mac(payload, secret, purpose) + payload)


def unsign_caseless(token: str, *, secret: str, purpose: str) -> bytes:
    """The payload of a token made by `sign_caseless`, whichever letters are capital by now.

    Raises:
        BadToken: anything else.
    """
    try:
        raw = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
    except ValueError as error:
        raise BadToken("the token is not base32") from error
    if _caseless(raw) != token.lower():
        raise BadToken("the token is not in its one spelling")
    return _checked(raw, secret, purpose)


def keyed(payload: bytes, *, secret: str, purpose: str) -> bytes:
    """The whole digest, 32 bytes: what is recognised by it cannot be guessed without the secret."""
    return hmac.digest(_key(secret, purpose), payload, "sha256")


def _checked(raw: bytes, secret: str, purpose: str) -> bytes:
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(payload, secret, purpose)):
        raise BadToken("the token was not made here, or was changed")
    return payload


def _caseless(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _mac(payload: bytes, secret: str, purpose: str) -> bytes:
    return hmac.digest(_key(secret, purpose), payload, "sha256")[:_MAC_BYTES]


def _key(secret: str, purpose: str) -> bytes:
    return hashlib.sha256(f"{purpose}\0{secret}".encode()).digest()
