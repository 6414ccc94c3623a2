"""`/v1/policies`."""

from __future__ import annotations

from typing import Any

import pytest

from tenants.models import CategoryPolicy
from tests.tenancy import Caller, caller, make_tenant

pytestmark = pytest.mark.django_db

DEFAULT = {
    "category": "transactional",
    "retry_steps_seconds": [4, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200],
    "ttl_seconds": 3 * 86_400,
    "on_unknown": "retry",
    "missed_run": "send",
    "send_within_seconds": None,
    "retain_seconds": 30 * 86_400,
    "required": False,
    "decided": [],
}


@pytest.fixture
def ours() -> Caller:
    return caller(make_tenant())


def change(who: Caller, category: str = "transactional", /, **rules: Any) -> Any:
    return who.patch(f"/v1/policies/{category}", rules)


def test_all_categories_have_their_defaults(ours: Caller) -> None:
    found = ours.get("/v1/policies").body["data"]
    assert [p["category"] for p in found] == ["transactional", "operational", "marketing"]
    assert found[0] == DEFAULT
    assert found[1] == DEFAULT | {"category": "operational"}
    assert (found[2]["on_unknown"], found[2]["retry_steps_seconds"][0]) == ("hold", 30)
    assert ours.get("/v1/policies/transactional").body == DEFAULT
    assert not CategoryPolicy.objects.exists()


def test_what_is_decided_holds_and_null_takes_it_back(ours: Caller) -> None:
    rules = {"retry_steps_seconds": [5, 60], "ttl_seconds": 600, "on_unknown": "verify"}
    said = change(ours, **rules)
    assert said.status == 200
    assert said.body == DEFAULT | rules | {"decided": sorted(rules)}
    assert ours.get("/v1/policies/transactional").body == said.body
    said = change(ours, ttl_seconds=None)
    assert said.body["ttl_seconds"] == 3 * 86_400
    assert said.body["decided"] == ["on_unknown", "retry_steps_seconds"]
    said = change(ours, on_unknown=None, retry_steps_seconds=None)
    assert said.body == DEFAULT
    assert change(ours).body == DEFAULT


@pytest.mark.parametrize("seconds", [0, 1, 10 * 365 * 86_400])
def test_how_long_bodies_are_kept(ours: Caller, seconds: int) -> None:
    said = change(ours, retain_seconds=seconds)
    assert said.body == DEFAULT | {"retain_seconds": seconds, "decided": ["retain_seconds"]}
    assert ours.get("/v1/policies/transactional").body == said.body
    assert change(ours, retain_seconds=None).body == DEFAULT


def test_what_is_required_and_what_cannot_be(ours: Caller) -> None:
    said = change(ours, required=True)
    assert said.body == DEFAULT | {"required": True, "decided": ["required"]}
    assert change(ours, ttl_seconds=600).body["required"], "what is left out stays"
    assert CategoryPolicy.objects.get().required
    assert change(ours, ttl_seconds=None, required=False).body == DEFAULT
    change(ours, required=True)
    assert change(ours, required=None).body == DEFAULT
    assert not CategoryPolicy.objects.get().required
    said = change(ours, "marketing", required=True)
    assert said.status == 422
    assert said.errors == [("/required", "invalid")]
    assert change(ours, "marketing", required=False).status == 200
    assert change(ours, "operational", required=True).body["required"]


def test_a_missed_run_and_its_seconds_belong_together(ours: Caller) -> None:
    for rules in (
        {"missed_run": "send_within_seconds"},
        {"send_within_seconds": 60},
        {"missed_run": "drop", "send_within_seconds": 60},
    ):
        said = change(ours, **rules)
        assert said.status == 422
        assert [e["pointer"] for e in said.body["errors"]] == ["/send_within_seconds"]
    assert not CategoryPolicy.objects.exists()
    said = change(ours, missed_run="send_within_seconds", send_within_seconds=60)
    assert (said.body["missed_run"], said.body["send_within_seconds"]) == (
        "send_within_seconds",
        60,
    )
    said = change(ours, missed_run="drop")
    assert (said.body["missed_run"], said.body["send_within_seconds"]) == ("drop", None)
    said = change(ours, missed_run=None)
    assert said.body == DEFAULT


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        ({"retry_steps_seconds": []}, "/retry_steps_seconds"),
        ({"retry_steps_seconds": [0]}, "/retry_steps_seconds/0"),
        ({"retry_steps_seconds": [1, -1]}, "/retry_steps_seconds/1"),
        ({"retry_steps_seconds": [1, 10**9]}, "/retry_steps_seconds/1"),
        ({"retry_steps_seconds": [1.5]}, "/retry_steps_seconds/0"),
        ({"retry_steps_seconds": ["4"]}, "/retry_steps_seconds/0"),
        ({"retry_steps_seconds": [True]}, "/retry_steps_seconds/0"),
        ({"retry_steps_seconds": [1] * 31}, "/retry_steps_seconds"),
        ({"retry_steps_seconds": 4}, "/retry_steps_seconds"),
        ({"ttl_seconds": 0}, "/ttl_seconds"),
        ({"ttl_seconds": 3 * 86_400 + 1}, "/ttl_seconds"),
        ({"ttl_seconds": "600"}, "/ttl_seconds"),
        ({"on_unknown": "sometimes"}, "/on_unknown"),
        ({"on_unknown": 1}, "/on_unknown"),
        ({"missed_run": "later"}, "/missed_run"),
        ({"retain_seconds": -1}, "/retain_seconds"),
        ({"retain_seconds": 10 * 365 * 86_400 + 1}, "/retain_seconds"),
        ({"retain_seconds": 0.0}, "/retain_seconds"),
        ({"retain_seconds": "0"}, "/retain_seconds"),
        ({"required": 1}, "/required"),
        ({"required": "true"}, "/required"),
        ({"ttl": 600}, "/ttl"),
        ({"category": "marketing"}, "/category"),
        ({"tenant_id": "tnt_1"}, "/tenant_id"),
    ],
)
def test_bad_rules_are_named_and_change_nothing(
    ours: Caller, rules: dict[str, Any], pointer: str
) -> None:
    said = change(ours, **rules)
    assert said.status == 422
    assert [e["pointer"] for e in said.body["errors"]] == [pointer]
    assert not CategoryPolicy.objects.exists()


def test_an_unknown_category_is_not_there(ours: Caller) -> None:
    for category in ("otp", "Marketing", "%20", "transactional%00"):
        assert ours.get(f"/v1/policies/{category}").status == 404
        assert change(ours, category, ttl_seconds=5).status == 404
    assert not CategoryPolicy.objects.exists()


def test_a_stranger_sees_and_changes_only_its_own(ours: Caller) -> None:
    change(ours, ttl_seconds=600)
    other = caller(make_tenant("Other Ltd"))
    assert other.get("/v1/policies/transactional").body == DEFAULT
    change(other, ttl_seconds=700)
    assert ours.get("/v1/policies/transactional").body["ttl_seconds"] == 600
