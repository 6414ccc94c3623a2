"""Web addresses that a tenant gives: which of them Hiram may send requests to."""

from __future__ import annotations

from urllib.parse import urlsplit

from hiram.lib.http import Refused, check, policy


def refusal(address: str) -> str:
    """Why no request may go to `address`; empty when one may."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "This is not a URL."
    if parts.scheme not in ("https", "http") or not host or parts.username is not None:
        return "This must be an https address without a user."
    if parts.fragment:
        return "This must have no fragment."
    if parts.scheme == "http" and not policy().plain:
        return "This must be an https address."
    try:
        check(host, port or (443 if parts.scheme == "https" else 80))
    except Refused as error:
        return str(error)
    except OSError:
        return ""  # no answer to the name now says nothing about later
    return ""
