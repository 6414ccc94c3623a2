"""Everything is killed at once, in the middle of calls, and started again."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.embedded.waiting import until

pytestmark = pytest.mark.xdist_group("street")

SECONDS = 90


def test_after_a_power_cut_all_goes_on(instance, tenant):
    until(instance.ready, SECONDS)
    slow = {"target": "smtp", "kind": "slow", "seconds": 4, "match": {"recipient": tenant.to("*")}}
    with instance.mailbox.ordered(**slow):
        body = {"notifications": [tenant.letter(f"n{number}") for number in range(60)]}
        answer = tenant.ask("POST", "/v1/notifications/batch", body)
        made = [item["id"] for item in answer.json()["data"]]
        until(lambda: "sending" in {tenant.get(key)["status"] for key in made[:10]})
        instance.crash()
        instance.start()
    assert instance.facts["api_key"]
    until(lambda: instance.owed(hasten=True) == 0, SECONDS)
    ended = [tenant.get(key) for key in made]
    assert {one["status"] for one in ended} == {"sent"}
    cut = [a for one in ended for a in one["attempts"] if a["outcome"] in ("abandoned", "unknown")]
    assert cut, "no call was open: nothing was tried"
    arrived = Counter(a["key"] for a in instance.mailbox.arrivals() if a["key"] in set(made))
    assert set(arrived) == set(made)
    assert arrived.total() - len(made) <= len(cut)
    report = instance.ask("audit")
    assert (report["broken"], report["owed"]) == ([], 0)
    assert report["accepted"] == report["terminal"]
