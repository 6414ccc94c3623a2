"""One request and one answer, as they go over the wire."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict

from delivery.driver import Fault


class Unsendable(ValueError):
    """A message or an account that no request can be made of."""

    def __init__(self, detail: str, fault: Fault = Fault.BAD_CONTENT) -> None:
        super().__init__(detail)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to go. Headers hold secrets, the body holds people's words: no repr.

    `context` is for reading the answer.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    context: Any = field(default=None, repr=False)
    method: str = "POST"

    def prepared(self) -> requests.PreparedRequest:
        """What `requests.Request.prepare` makes of it, at a third of the cost.

        Raises Unsendable for what would fail on the way out, when something may have left.
        """
        length = {"Content-Length": str(len(self.body))}
        headers = {"User-Agent": "Hiram", **self.headers, **length}
        request = requests.PreparedRequest()
        try:
            for value in headers.values():
                if "\r" in value or "\n" in value:
                    raise ValueError("a line break")
                value.encode("latin-1")
            request.method, request.url, request.body = self.method, _url(self.url), self.body
        except (requests.RequestException, ValueError):
            detail = "the API's address or a credential does not fit into a request"
            raise Unsendable(detail, Fault.BAD_ACCOUNT) from None
        request.headers = CaseInsensitiveDict(headers)
        return request


class Reply:
    """A provider's answer, as far as it came."""

    def __init__(self, response: requests.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.body: bytes = response.content

    @property
    def text(self) -> str:
        """The body, whatever it is."""
        return self.body.decode("utf-8", "backslashreplace")

    @cached_property
    def json(self) -> Any:
        """The body read as JSON; None when it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def get(self, name: str) -> Any:
        """A member of the body's object; None when there is none."""
        return self.json.get(name) if isinstance(self.json, dict) else None


def basic(user: str, password: str) -> str:
    """The value of `Authorization` for RFC 7617's scheme, in UTF-8."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")


@lru_cache(maxsize=1024)
def _url(url: str) -> str:
    """`url` as it is asked for. Raises requests.RequestException."""
    prepared = requests.Request("POST", url).prepare().url or ""
    if not prepared.startswith(("https://", "http://")):
        raise requests.exceptions.InvalidSchema(url)
    return prepared
