"""What every endpoint for keys does with methods."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.tenancy import caller, make_tenant

pytestmark = pytest.mark.django_db

PATHS = ("/v1/handshake", "/v1/providers", "/v1/drivers", "/v1/notifications")


@pytest.mark.parametrize("path", PATHS)
def test_options_tell_the_methods_and_nothing_else(path: str) -> None:
    response = Client().options(path)
    assert (response.status_code, response.content) == (204, b"")
    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize("path", PATHS[1:])
def test_head_needs_what_get_needs(path: str) -> None:
    tenant = make_tenant()
    for by, status in ((caller(tenant), 200), (caller(tenant, scopes=[]), 403)):
        headers = {"X-Api-Key": by.key}
        assert Client().head(path, headers=headers).status_code == status
        assert Client().get(path, headers=headers).status_code == status
    assert Client().head(path).status_code == 401


@pytest.mark.parametrize("method", ["PUT", "TRACE", "PATCH", "BREW"])
def test_a_method_that_is_not_there_is_told_which_are(method: str) -> None:
    response = Client().generic(method, "/v1/handshake")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert response.json()["code"] == "method-not-allowed"
