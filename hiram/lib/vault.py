"""Encryption at rest of small secrets, bound to their owner.

AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D). The associated data names the row the
secret belongs to, so that a sealed value copied to another tenant's row does not open. Several
keys live at once: the first seals, all open, each sealed value names its key.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_BYTES = 32
_MARK = b"\x01"


class SealBroken(Exception):
    """The value cannot be opened: unknown key, another owner, or changed bytes."""


class BadKey(ValueError):
    """An encryption key is not 32 bytes of URL-safe base64."""


class Vault:
    """Seals and opens with the configured keys."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take keys as base64 of 32 bytes each, URL-safe or not.

        Raises:
            BadKey: no key, or one of another length.
        """
        if not keys:
            raise BadKey("at least one encryption key is needed")
        self._keys = {self._name(raw): AESGCM(raw) for raw in map(self._raw, keys)}
        self._first = next(iter(self._keys))

    @staticmethod
    def _raw(key: str) -> bytes:
        bare = key.removesuffix("=").replace("+", "-").replace("/", "_")
        try:
            raw = base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
        except ValueError as error:
            raise BadKey("an encryption key is not URL-safe base64") from error
        if len(raw) != _KEY_BYTES:
            raise BadKey(f"an encryption key has {len(raw)} bytes, {_KEY_BYTES} are needed")
        # The decoder passes over what is not of its alphabet: a damaged key must not be taken.
        if base64.urlsafe_b64encode(raw).decode() != f"{bare}=":
            raise BadKey("an encryption key is not URL-safe base64")
        return raw

    @staticmethod
    def _name(raw: bytes) -> bytes:
        return hashlib.sha256(b"hiram key name" + raw).digest()[:4]

    @staticmethod
    def new_key() -> str:
        """A fresh random key in the accepted spelling."""
        return base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode()

    def seal(self, clear: bytes, *, owner: bytes) -> bytes:
        """Encrypt under the first key; `owner` must be given again to open."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _MARK + self._first + nonce + self._keys[self._first].encrypt(nonce, clear, owner)

    def open(self, sealed: bytes, *, owner: bytes) -> bytes:
        """Decrypt.

        Raises:
            SealBroken: see the class; says which of the causes where that is known.
        """
        if len(sealed) < 5 + _NONCE_BYTES + _TAG_BYTES or sealed[:1] != _MARK:
            raise SealBroken("not a sealed value")
        key = self._keys.get(sealed[1:5])
        if key is None:
            raise SealBroken("sealed with a key that is no longer configured")
        nonce, body = sealed[5 : 5 + _NONCE_BYTES], sealed[5 + _NONCE_BYTES :]
        try:
            return key.decrypt(nonce, body, owner)
        except InvalidTag as error:
            raise SealBroken("sealed for another owner, or changed") from error

    def is_current(self, sealed: bytes) -> bool:
        """Whether the first key sealed it."""
        return sealed[1:5] == self._first
