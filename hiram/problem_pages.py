"""`/problems/{code}`: what the `type` of every problem leads to (RFC 9457, section 3.1.1)."""

from __future__ import annotations

from http import HTTPStatus

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hiram.lib.problems import EXPLAINED

POLICY = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)


@require_safe
def problem_list(request: HttpRequest) -> HttpResponse:
    """All of them."""
    rows = [{"code": code, "status": e[0], "title": e[1]} for code, e in EXPLAINED.items()]
    return _page(request, "problems/list.html", {"problems": rows})


@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """One.

    Raises:
        Http404: there is no such problem.
    """
    if code not in EXPLAINED:
        raise Http404(code)
    status, title, remedy = EXPLAINED[code]
    facts = {"code": code, "status": HTTPStatus(status), "title": title, "remedy": remedy}
    return _page(request, "problems/one.html", facts)


def _page(request: HttpRequest, template: str, facts: dict[str, object]) -> HttpResponse:
    response = render(request, template, facts)
    response.headers["Content-Security-Policy"] = POLICY
    return response
