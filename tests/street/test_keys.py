"""A revoked key, over HTTP and in every process that serves it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

pytestmark = pytest.mark.xdist_group("street")

REQUESTS = 50


def test_a_revoked_key_is_refused_at_the_very_next_request_in_every_process(tenant):
    issued = tenant.instance.ask("issue_key", tenant.id, "--name", "soon revoked")
    url = f"{tenant.instance.url}/v1/handshake"
    # Connections that stay open, far more than there are processes: each holds its connection
    # to one of them, and all of these have seen the key at work.
    sessions = [requests.Session() for _ in range(REQUESTS)]
    for session in sessions:
        session.headers["X-Api-Key"] = issued["api_key"]
    try:
        with ThreadPoolExecutor(REQUESTS) as pool:
            before = list(pool.map(lambda session: session.get(url, timeout=30), sessions))
            assert {answer.status_code for answer in before} == {200}
            tenant.instance.ask("revoke_key", issued["key_id"])
            after = list(pool.map(lambda session: session.get(url, timeout=30), sessions))
    finally:
        for session in sessions:
            session.close()
    assert {answer.status_code for answer in after} == {401}
    assert {answer.json()["code"] for answer in after} == {"unauthenticated"}
    assert tenant.ask("GET", "/v1/handshake").status_code == 200
