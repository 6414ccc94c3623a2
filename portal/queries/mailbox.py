"""The simulator's mailbox, read over its HTTP API, each user with what he may see of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import requests
from django.conf import settings

from notifications.models import Notification
from portal.access import Access
from portal.queries.feed import notification_id

TIMEOUT_SECONDS = (1, 10)
PAGE = 50
_ID = re.compile(r"[0-9A-Za-z_-]{1,100}", re.ASCII)
FILTERS = ("channel", "recipient", "subject")


class Away(Exception):
    """The simulator does not answer."""


class Missing(Exception):
    """The simulator has no such message, or not for this user."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of messages, newest first."""

    messages: list[dict[str, Any]]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class File:
    """A file as the simulator serves it."""

    content: bytes
    content_type: str
    disposition: str


def messages(access: Access, asked: dict[str, str], cursor: str) -> Page:
    """What arrived. A member sees what his tenants' notifications became, nothing else."""
    query = {name: asked[name] for name in FILTERS if asked.get(name)}
    query |= {"limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
    answer = _get("/messages", query).json()
    return Page(_visible(access, answer["data"]), answer["next_cursor"])


def message(access: Access, message_id: str) -> dict[str, Any]:
    """One message with all that it says.

    Raises:
        Missing, Away: see there.
    """
    found: dict[str, Any] = _get(_path(message_id)).json()
    if not _visible(access, [found]):
        raise Missing
    return found


def attachment(access: Access, message_id: str, number: int) -> File:
    """One file of a message; raises as `message`."""
    message(access, message_id)
    return _file(f"{_path(message_id)}/attachments/{number}")


def raw(access: Access, message_id: str) -> File:
    """A message as it came over the wire; raises as `message`."""
    message(access, message_id)
    return _file(f"{_path(message_id)}/raw")


def clear() -> None:
    """Forget every message."""
    _call("DELETE", "/messages", {})


def _path(message_id: str) -> str:
    # An id with dots or slashes would lead to another address of the simulator.
    if not _ID.fullmatch(message_id):
        raise Missing
    return f"/messages/{message_id}"


def _visible(access: Access, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if access.operator:
        return found
    named = {m["id"]: of_key(str(m["key"])) for m in found}
    own = set(_own(access, filter(None, named.values())))
    return [m for m in found if named[m["id"]] in own]


def of_key(key: str) -> UUID | None:
    """The notification that a message's key names: `ntf_...`, or with a replay's number."""
    return notification_id(key.partition("-")[0]) if key.startswith("ntf_") else None


def _own(access: Access, found: Iterable[UUID]) -> Iterable[UUID]:
    rows = Notification.objects.filter(pk__in=list(found))
    return access.within(rows, "tenant_id").values_list("pk", flat=True)


def _file(path: str) -> File:
    answer = _get(path)
    headers = answer.headers
    kind = headers.get("content-type", "application/octet-stream")
    return File(answer.content, kind, headers.get("content-disposition", "attachment"))


def _get(path: str, query: dict[str, str] | None = None) -> requests.Response:
    return _call("GET", path, query or {})


def _call(method: str, path: str, query: dict[str, str]) -> requests.Response:
    try:
        with requests.Session() as session:
            session.trust_env = False
            url = f"{settings.SIMULATOR_URL.rstrip('/')}{path}"
            answer = session.request(method, url, params=query, timeout=TIMEOUT_SECONDS)
    except requests.RequestException as error:
        raise Away from error
    if answer.status_code in (400, 404):
        raise Missing
    if not answer.ok:
        raise Away
    return answer
