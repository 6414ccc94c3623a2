"""Return path: the envelope sender of one try, to which only a report of that try can be sent.

A variable envelope return path: `b+<token>@<the provider's return domain>`. The token is the
attempt's id, signed with all of HMAC-SHA256 that a digest of ours keeps (128 bits) under
`HIRAM_SECRET_KEY`. Its 32 bytes are 52 characters of base32, which a relay that folds letters'
cases does no harm; with `b+` that makes 54 of the 64 octets that a local part may have (RFC 5321,
4.5.3.1.1). Nothing is stored, and an address that is not ours is known without the database. The
provider and the tenant are the attempt's own, so nobody can name another.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings

from hiram.lib import ids
from hiram.lib.signing import BadToken, sign_caseless, unsign_caseless

_PREFIX = "b+"
_PURPOSE = "return path"
_UUID_BYTES = 16


def return_path(attempt_id: str, domain: str) -> str:
    """The address for this attempt at `domain`; empty for what is no attempt, such as a test."""
    try:
        payload = ids.parse("att", attempt_id).bytes
    except ids.MalformedId:
        return ""
    token = sign_caseless(payload, secret=settings.SECRET_KEY, purpose=_PURPOSE)
    return f"{_PREFIX}{token}@{domain}"


def attempt_of(address: str) -> UUID | None:
    """The attempt whose return path this is, at whichever domain; None if it is none of ours."""
    local = address.rpartition("@")[0]
    prefix, token = local[: len(_PREFIX)], local[len(_PREFIX) :]
    if prefix.lower() != _PREFIX:
        return None
    try:
        payload = unsign_caseless(token, secret=settings.SECRET_KEY, purpose=_PURPOSE)
    except BadToken:
        return None
    return UUID(bytes=payload) if len(payload) == _UUID_BYTES else None
