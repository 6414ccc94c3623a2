"""Which provider, and why."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from delivery.choice import ABLE, Candidate, Choice, Past, Reason, Standing, choices

NOTHING = Past(Counter())


def one(number: int, **known: Any) -> Candidate:
    usual: dict[str, Any] = {"priority": number, "weight": 1, "share": 100}
    facts = usual | {"standing": Standing.USABLE} | known
    return Candidate(id=UUID(int=number), name=f"p{number}", **facts)


def first(candidates: list[Candidate], past: Past = NOTHING, chance: float = 0.5) -> Choice:
    return choices(candidates, past, lambda: chance)[0]


def explained(choice: Choice) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return choice.candidate.name, str(choice.reason), choice.passed_over


def test_one_is_the_only_one() -> None:
    assert explained(first([one(1)])) == ("p1", "only_provider", ())


def test_the_first_by_priority_is_the_primary() -> None:
    assert explained(first([one(2), one(1)])) == ("p1", "primary", ())


def test_what_cannot_be_called_is_passed_over_with_its_reason() -> None:
    for standing in (Standing.PAUSED, Standing.FAILING, Standing.SLOW, Standing.PROBING):
        found = first([one(1, standing=standing), one(2)])
        assert explained(found) == ("p2", "failover", (("p1", str(standing)),))


def test_a_failure_below_the_chosen_one_is_nobodys_business() -> None:
    assert explained(first([one(1), one(2, standing=Standing.FAILING)])) == ("p1", "primary", ())


def test_what_one_refused_goes_to_the_next_and_then_round() -> None:
    candidates = [one(1), one(2), one(3)]
    past: Counter[UUID] = Counter()
    seen = []
    for _ in range(6):
        found = first(candidates, Past(past))
        seen.append(found.candidate.name)
        past[found.candidate.id] += 1
    assert seen == ["p1", "p2", "p3", "p1", "p2", "p3"]
    assert explained(first(candidates, Past(Counter({UUID(int=1): 1})))) == (
        "p2",
        "failover",
        (("p1", "refused"),),
    )


def test_what_may_have_been_taken_goes_back_to_the_same() -> None:
    past = Past(Counter({UUID(int=2): 3}), UUID(int=2), is_doubtful=True)
    assert explained(first([one(1), one(2)], past)) == ("p2", "after_unknown", ())


def test_and_elsewhere_only_where_the_same_cannot_be_called() -> None:
    past = Past(Counter(), UUID(int=1), is_doubtful=True)
    found = first([one(1, standing=Standing.FAILING), one(2)], past)
    assert explained(found) == ("p2", "failover", (("p1", "failing"),))


def test_a_half_open_one_is_probed_in_its_place() -> None:
    assert first([one(1, standing=Standing.HALF_OPEN), one(2)]).reason is Reason.PROBE
    assert first([one(1), one(2, standing=Standing.HALF_OPEN)]).reason is Reason.PRIMARY


def test_a_slow_one_is_better_than_none() -> None:
    assert explained(first([one(1, standing=Standing.SLOW)])) == ("p1", "last_resort", ())
    paused = [one(1, standing=Standing.PAUSED), one(2, standing=Standing.SLOW)]
    assert explained(first(paused)) == ("p2", "last_resort", (("p1", "paused"),))


def test_nothing_can_be_called() -> None:
    found = [one(1, standing=Standing.PAUSED), one(2, standing=Standing.FAILING)]
    assert choices(found, NOTHING, random.random) == []


def test_the_scoped_one_comes_before_all_and_leaves_nobody_its_part() -> None:
    mine = one(3, share=10).scoped()
    for chance in (0.0, 0.5, 0.99):
        assert explained(first([one(1), one(2), mine], chance=chance)) == ("p3", "scoped", ())
    assert explained(first([mine])) == ("p3", "scoped", ())
    paused = one(3, standing=Standing.PAUSED).scoped()
    assert explained(first([one(1), paused])) == ("p1", "failover", (("p3", "paused"),))
    refused = Past(Counter({UUID(int=3): 1}))
    assert explained(first([one(1), mine], refused)) == ("p1", "failover", (("p3", "refused"),))


def test_weights_draw_among_equals() -> None:
    chance = random.Random(7)  # noqa: S311
    candidates = [one(1, priority=5, weight=3), one(2, priority=5, weight=1)]
    found = [choices(candidates, NOTHING, chance.random)[0] for _ in range(4_000)]
    drawn = Counter(choice.candidate.name for choice in found)
    assert {choice.reason for choice in found} == {Reason.WEIGHTED}
    assert 2_850 < drawn["p1"] < 3_150


def test_a_smaller_share_leaves_its_part_to_the_next() -> None:
    chance = random.Random(7)  # noqa: S311
    candidates = [one(1, share=70), one(2)]
    found = [choices(candidates, NOTHING, chance.random)[0] for _ in range(4_000)]
    drawn = Counter((choice.candidate.name, str(choice.reason)) for choice in found)
    assert drawn.keys() == {("p1", "primary"), ("p2", "shifted")}
    assert 2_650 < drawn["p1", "primary"] < 2_950


def test_a_smaller_share_of_the_only_one_changes_nothing() -> None:
    assert explained(first([one(1, share=10)], chance=0.99)) == ("p1", "only_provider", ())


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(1, 5),
            st.sampled_from([10, 50, 100]),
            st.sampled_from(Standing),
            st.integers(0, 2),
        ),
        max_size=6,
    ),
    st.integers(0, 6),
    st.randoms(use_true_random=False),
)
def test_each_that_can_be_called_is_in_the_list_once(
    drawn: list[tuple[int, int, int, Standing, int]], doubtful: int, chance: random.Random
) -> None:
    found = [
        one(n, priority=priority, weight=weight, share=share, standing=standing)
        for n, (priority, weight, share, standing, _) in enumerate(drawn)
    ]
    refusals = Counter({UUID(int=n): count for n, (*_, count) in enumerate(drawn)})
    listed = choices(found, Past(refusals, UUID(int=doubtful), is_doubtful=True), chance.random)
    able = {c.id for c in found if c.standing in (*ABLE, Standing.SLOW)}
    assert sorted(choice.candidate.id.int for choice in listed) == sorted(pk.int for pk in able)
    standings = [choice.candidate.standing is Standing.SLOW for choice in listed]
    assert standings == sorted(standings), "slow ones are the last"
