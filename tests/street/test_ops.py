"""The operations port of the real processes."""

from __future__ import annotations

import json
import re

import pytest

from tests.embedded.waiting import until

pytestmark = pytest.mark.xdist_group("street")


def test_alive_and_ready(instance):
    for path, word in (("/healthz", "alive"), ("/readyz", "ready")):
        status, body = instance.ops(path)
        assert (status, json.loads(body)["status"]) == (200, word)


def test_metrics_count_what_all_processes_do(tenant):
    def counted() -> dict[str, float]:
        status, text = tenant.instance.ops("/metrics")
        assert status == 200
        found = re.findall(r"^(hiram_\w+)(?:\{[^}]*\})? ([0-9.e+]+)$", text, re.MULTILINE)
        totals: dict[str, float] = {}
        for name, value in found:
            totals[name] = totals.get(name, 0) + float(value)
        return totals

    before = counted()
    for number in range(5):
        tenant.ended(tenant.sent(tenant.letter(f"n{number}")))

    def more(name: str) -> bool:
        return counted().get(name, 0) >= before.get(name, 0) + 5

    # The worker's and the web's counts, in files of their own, are one page here.
    names = (
        "hiram_accepted_total",
        "hiram_claims_total",
        "hiram_attempts_total",
        "hiram_settled_total",
        "hiram_send_duration_seconds_count",
    )
    until(lambda: all(more(name) for name in names))
    assert tenant.id.removeprefix("tnt_") not in tenant.instance.ops("/metrics")[1]
