"""What every endpoint shares: reading bodies strictly, answering in one form, naming requests."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from pydantic import BaseModel, TypeAdapter, ValidationError
from rest_framework.views import APIView

from hiram.lib import ids
from hiram.lib.findings import field_errors
from hiram.lib.problems import MEDIA_TYPE, Problem
from hiram.lib.strict_json import Malformed, loads

logger = logging.getLogger(__name__)

BODY_OCTETS = 1024 * 1024
LARGE_BODY_OCTETS = 16 * 1024 * 1024

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_JSON = re.compile(
    # Possessive: linear in the length, whatever somebody sends.
    r"application/json\s*+(?:;\s*+charset\s*+=\s*+(?P<quote>\"?)utf-?8(?P=quote)\s*+)?+;?+\s*+",
    re.ASCII | re.IGNORECASE,
)

M = TypeVar("M", bound=BaseModel)

_encode = json.JSONEncoder(ensure_ascii=False).encode


def request_id(request: HttpRequest) -> str:
    """This request's id: the caller's `X-Request-Id` if it is one word, else a fresh one."""
    known: str | None = request.META.get("hiram.request_id")
    if known is None:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        known = given if _REQUEST_ID.fullmatch(given) else f"rid_{ids.new().hex}"
        request.META["hiram.request_id"] = known
    return known


def read_json(request: HttpRequest, *, limit: int = BODY_OCTETS) -> Any:
    """The body's JSON value.

    Raises:
        Problem: 413 over `limit` octets, 415 not JSON in UTF-8, 400 not acceptable JSON.
    """
    media = request.META.get("CONTENT_TYPE", "")
    if media != "application/json" and not _JSON.fullmatch(media):
        raise Problem("unsupported-media-type")
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() != "identity":
        text = "Send the body as it is: Content-Encoding is not supported."
        raise Problem("unsupported-media-type", text, headers={"Accept-Encoding": "identity"})
    raw = read_body(request, limit=limit)
    try:
        return loads(raw)
    except Malformed as error:
        raise Problem("malformed", f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


def read_body(request: HttpRequest, *, limit: int) -> bytes:
    """The raw body.

    Raises:
        Problem: 413 over `limit` octets, 400 when it breaks off.
    """
    # Django reads so much, and nothing where it is not said.
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdecimal() and len(length) < 20):
        raise Problem("malformed", "Content-Length is not a number.")
    if int(length) > limit:
        raise too_large(limit)
    try:
        return request.body
    except RequestDataTooBig as error:
        raise too_large(limit) from error


def too_large(limit: int, what: str = "The body") -> Problem:
    """The refusal of more than `limit` octets."""
    return Problem("too-large", f"{what} may have at most {limit} octets.")


def validate(model: type[M] | TypeAdapter[Any], value: Any) -> Any:
    """The body as the model's instance.

    Raises:
        Problem: 422 with a pointer for each finding.
    """
    check = model.validate_python if isinstance(model, TypeAdapter) else model.model_validate
    try:
        return check(value)
    except ValidationError as error:
        raise Problem("invalid", errors=field_errors(error)) from error


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """A JSON response."""
    response = HttpResponse(_encode(body), status=status, content_type="application/json")
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


def refuse(request: HttpRequest, problem: Problem) -> HttpResponse:
    """A problem as the response."""
    return HttpResponse(
        problem.encoded(base_url=settings.PUBLIC_URL, request_id=request_id(request)),
        status=problem.status,
        content_type=MEDIA_TYPE,
        headers=problem.headers,
    )


def as_problem(error: Exception, method: str | None) -> Problem:
    """What an exception means to the caller of `method`."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("database away: %s", next(iter(str(error).splitlines()), error))
        # A commit whose answer was lost may have happened.
        unsure = {"outcome": "unknown", "retry": "same Idempotency-Key"}
        return Problem(
            "unavailable", headers={"Retry-After": "1"}, extra=unsure if method == "POST" else None
        )
    if isinstance(error, Http404):
        return Problem("not-found")
    if isinstance(error, UnreadablePostError):
        return Problem("malformed", "The body ended before its announced length.")
    logger.error("unhandled", exc_info=error)
    return Problem("internal")


class Endpoint(APIView):
    """An endpoint of the API: plain Django requests in, problems as errors out.

    It is a view of Django REST framework for the OpenAPI document alone. The framework's own
    dispatch is not run: negotiation, parsers and renderers cost more than the endpoint's work.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer, whatever happens."""
        try:
            response = self._answer(request, *args, **kwargs)
        except Exception as error:
            response = refuse(request, as_problem(error, request.method))
        response.headers["Cache-Control"] = "no-store"
        return response

    def initial(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """What comes before the method.

        Raises:
            Problem: the request is refused.
        """

    def _answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        name = (request.method or "").lower()
        handler = getattr(self, name, None) if name in self.http_method_names else None
        if handler is None or name == "options":
            allowed = {"Allow": ", ".join(self.allowed_methods)}
            if handler is None:
                raise Problem("method-not-allowed", headers=allowed)
            return HttpResponse(status=204, headers=allowed)
        self.initial(request, *args, **kwargs)
        response: HttpResponse = handler(request, *args, **kwargs)
        return response


def problem_view(code: str) -> Callable[..., HttpResponse]:
    """A Django error handler (`handler404` and the like) that answers with a problem."""

    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return refuse(request, Problem(code))

    return view
