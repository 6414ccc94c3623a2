"""Errors in the form of RFC 9457, `application/problem+json`, each with a page that explains it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MEDIA_TYPE = "application/problem+json"

EXPLAINED: dict[str, tuple[int, str, str]] = {
    "malformed": (400, "The request cannot be read", "Send UTF-8 JSON: one object, every name once, no NaN or Infinity, at most 20 levels deep, no NUL character."),
    "bad-header": (400, "A request header is not valid", "The detail names the header and what it may be."),
    "bad-query": (400, "A query parameter is not valid", "The errors name each parameter and what it may be. Unknown parameters are refused."),
    "unauthenticated": (401, "A valid API key is needed", "Send `X-Api-Key: hk_live_...` or `Authorization: Bearer hk_live_...`. The key may be mistyped, unknown, revoked or expired."),
    "forbidden": (403, "The API key lacks a scope", "The detail names the scope. Issue a key that has it."),
    "forged": (403, "The callback is not from its provider", "Copy the callback URL from the provider again, and check the vendor's signing secret. The detail says which of the two is wrong."),
    "not-found": (404, "There is no such thing", "The id is unknown here. A key sees only its own tenant and mode."),
    "method-not-allowed": (405, "The method is not allowed here", "See the Allow header."),
    "request-timeout": (408, "The request took too long to arrive", "Send the whole request within 10 seconds."),
    "conflict": (409, "The state does not allow this", "The detail says what stands against it."),
    "not_dead_lettered": (409, "It has not failed", "Only what ended `failed` can be replayed. Its status says where it is."),
    "already_replayed": (409, "It was replayed already", "It is owed again, or has ended otherwise since. Its status says where it is."),
    "body_erased": (409, "Its body has been erased", "It was kept for as long as its category's `retain_seconds` says. There is nothing left to send: send a new notification."),
    "not_held": (409, "It is not held", "Only what is `held` and has time left can be released, and only what is held dropped. Its status says where it is."),
    "idempotency-in-progress": (409, "The same Idempotency-Key is being worked on", "Try again after the seconds in Retry-After: the answer will be the first request's."),
    "too-large": (413, "The request is too large", "The detail says the limit."),
    "unsupported-media-type": (415, "The body must be JSON in UTF-8", "Send `Content-Type: application/json`, without Content-Encoding."),
    "invalid": (422, "The request cannot be accepted as it is", "Each entry of errors points at a field (RFC 6901) and says what is wrong with it. Unknown fields are refused."),
    "idempotency-key-reused": (422, "The Idempotency-Key was used for another request", "Use a fresh key for a different request; keys are remembered for 24 hours."),
    "rate-limited": (429, "Too many requests", "Wait for the seconds in Retry-After."),
    "internal": (500, "Something went wrong on our side", "Nothing was accepted. Report the trace_request_id."),
    "unavailable": (503, "The database cannot be reached", "If this was a post, its outcome may be unknown: repeat it with the same Idempotency-Key after the seconds in Retry-After."),
    "busy": (503, "Too many requests are waiting", "Nothing was accepted. Repeat the request after the seconds in Retry-After."),
}  # fmt: skip
"""Every code with its status, title and remedy; served at `/problems/{code}`."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `pointer` is a JSON pointer (RFC 6901) into the request."""

    pointer: str
    code: str
    detail: str

    def as_dict(self) -> dict[str, str]:
        """As it stands in `errors`."""
        return {"pointer": self.pointer, "code": self.code, "detail": self.detail}


class Problem(Exception):
    """Raised anywhere below an endpoint; becomes the answer."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """`code` is a key of `EXPLAINED`; `extra` adds members to the body."""
        super().__init__(detail or code)
        self.code = code
        self.status, self.title, self.remedy = EXPLAINED[code]
        self.detail = detail or self.remedy
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def body(self, *, base_url: str, request_id: str | None) -> dict[str, Any]:
        """The JSON members."""
        members: dict[str, Any] = {
            "type": f"{base_url}/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "trace_request_id": request_id,
            "errors": [error.as_dict() for error in self.errors],
        }
        return {name: v for name, v in members.items() if v is not None} | self.extra

    def encoded(self, *, base_url: str, request_id: str | None) -> bytes:
        """The body as UTF-8 JSON."""
        return json.dumps(self.body(base_url=base_url, request_id=request_id)).encode()


def pointer(*steps: str | int) -> str:
    """A JSON pointer of these steps."""
    return "".join("/" + str(s).replace("~", "~0").replace("/", "~1") for s in steps)
