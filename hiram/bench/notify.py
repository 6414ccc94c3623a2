"""Notify: how many notifications a second one call for 1,000 users makes."""

from __future__ import annotations

from collections.abc import Iterator

from hiram.bench.measures import EMPTY, Measure, Tenancy, ask, at_least, load
from hiram.bench.stage import Stage
from hiram.bench.templates import SHORT, SHORT_DATA, publish

USERS = 1_000
CONNECTIONS, SECONDS, WARM_UP_SECONDS = 2, 8, 1
LEAST_PER_SECOND = 2_500


def notifying(stage: Stage, who: Tenancy) -> Iterator[Measure]:
    """Notifications accepted a second, workers stopped: each call means all users, by e-mail."""
    stage.sql(EMPTY)
    users = [
        {"user_id": f"user-{n}", "addresses": {"email": f"user-{n}@tenant.example"}}
        for n in range(USERS)
    ]
    to = [
        {"user_id": user["user_id"], "data": SHORT_DATA | {"number": f"2026-{n}"}}
        for n, user in enumerate(users)
    ]
    body = {"template": "bench.notify", "channels": ["email"], "to": to}
    with stage.running("web"):
        ask(stage, who, "/v1/users/batch", {"users": users}, 200)
        publish(stage, who, "bench.notify", SHORT, SHORT_DATA)
        for seconds in (WARM_UP_SECONDS, SECONDS):
            asked = {"connections": CONNECTIONS, "seconds": seconds}
            told = load(stage, who, "/v1/notify", body, **asked)
    rate = told["per_second"] * USERS
    yield at_least("notify to 1,000 users", rate, "/s", ("wanted", LEAST_PER_SECOND), 1.0)
