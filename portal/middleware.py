"""What browsers may do on the portal's pages."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

PREFIXES = ("/portal/", "/trestleboard/")

_POLICY = (
    "default-src 'none'; connect-src 'self'; font-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; frame-src 'self'; base-uri 'none'; img-src 'self' data:;"
    " style-src 'self' 'unsafe-inline'"
)
PLAIN = f"{_POLICY}; script-src 'none'"
"""Pages of our own outside the admin have no script."""

SCRIPTED = f"{_POLICY}; script-src 'self' 'unsafe-eval'"
"""The admin's theme evaluates expressions in its own markup (Alpine.js): nothing inline runs and
nothing is loaded from elsewhere, but the eval function must be there."""


class ContentSecurityPolicy:
    """Sets the policy where a view has not set a stricter one itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Wrap the next layer."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, with the policy on it."""
        response = self.get_response(request)
        if request.path_info.startswith(PREFIXES):
            found = request.resolver_match
            admin = found is not None and "admin" in found.app_names
            policy = SCRIPTED if admin else PLAIN
            response.headers.setdefault("Content-Security-Policy", policy)
        return response
