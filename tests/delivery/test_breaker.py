"""The breaker, on virtual time."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from delivery.breaker import (
    OPEN_MOST_SECONDS,
    OPEN_SECONDS,
    SETTLED_SECONDS,
    SHARE_LEAST,
    Beat,
    Health,
    Pulse,
    Trouble,
    after,
    drift,
)

GOOD, BAD, SLOW = Pulse(good=1), Pulse(bad=1), Pulse(good=1, slow=1)


def calls(health: Health, pulses: list[Pulse], start: float, every: float) -> Health:
    for number, pulse in enumerate(pulses):
        health = after(health, pulse, start + number * every)
    return health


def test_good_calls_leave_it_in_peace() -> None:
    health = calls(Health(), [GOOD] * 500, 0, 0.1)
    assert (health.open_until, health.share, health.is_degraded) == (None, 100, False)


def test_the_fifth_failure_in_a_row_opens_it() -> None:
    health = calls(Health(), [BAD] * 4, 0, 1)
    assert health.open_until is None
    health = after(health, BAD, 4)
    assert (health.open_until, health.trouble, health.openings) == (
        4 + OPEN_SECONDS,
        Trouble.FAILING,
        1,
    )
    assert health.is_degraded


def test_a_tenant_with_20_mails_an_hour_is_judged_by_its_last_ten() -> None:
    health = calls(Health(), [GOOD] * 10, 0, 180)
    health = calls(health, [BAD] * 4, 1_800, 180)
    assert health.open_until is None
    assert after(health, BAD, 2_520).trouble is Trouble.FAILING


def test_under_load_a_few_failures_open_nothing() -> None:
    health = Health()
    for second in range(60):
        health = after(health, Pulse(good=95, bad=5), second)
    assert health.open_until is None
    assert health.share == 90, "50 errors in 60 s and 5 % of the calls: 10 points"


def test_under_load_a_dead_one_is_open_within_ten_seconds() -> None:
    health = Health()
    for second in range(60):
        health = after(health, Pulse(good=300), second)
    at = 60
    while health.open_until is None:
        health = after(health, Pulse(bad=300), at)
        at += 1
    assert at - 60 <= 10


def test_old_failures_are_forgotten() -> None:
    health = calls(Health(), [BAD] * 4, 0, 1)
    health = calls(health, [GOOD] * 10, 3_700, 1)
    health = after(health, BAD, 3_720)
    assert health.open_until is None
    assert [beat.bad for beat in health.window].count(1) == 1


def test_slow_calls_open_it_as_slow() -> None:
    health = calls(Health(), [SLOW] * 5, 0, 1)
    assert health.trouble is Trouble.SLOW


def test_stragglers_say_nothing_while_it_is_open() -> None:
    health = calls(Health(), [BAD] * 5, 0, 0)
    assert after(health, GOOD, 1) == health
    assert after(health, BAD, 1) == health


def test_a_good_probe_closes_it() -> None:
    health = calls(Health(), [BAD] * 5, 0, 0)
    closed = after(health, GOOD, OPEN_SECONDS)
    assert (closed.open_until, closed.trouble, closed.is_degraded) == (None, None, False)
    assert closed.window == (), "what was before says nothing any more"


def test_bad_probes_make_it_wait_longer_up_to_a_limit() -> None:
    health, at, waits = calls(Health(), [BAD] * 5, 0, 0), 0.0, []
    for _ in range(8):
        assert health.open_until is not None
        waits.append(health.open_until - at)
        at = health.open_until
        health = after(health, BAD, at)
    assert waits == [5, 10, 20, 40, 40, 40, 40, 40]
    assert waits[-1] == OPEN_MOST_SECONDS


def test_an_hour_of_outage_ends_within_a_minute_of_its_return() -> None:
    health, at, probes = calls(Health(), [BAD] * 5, 0, 0), 0.0, 0
    while at < 3_600:
        assert health.open_until is not None
        at = health.open_until
        health, probes = after(health, BAD if at < 3_600 else GOOD, at), probes + 1
    assert health.open_until is None
    assert at <= 3_660
    assert probes <= 3_600 / OPEN_MOST_SECONDS + 4


def test_one_that_fails_again_soon_after_it_was_closed_stays_open_longer() -> None:
    health = after(calls(Health(), [BAD] * 5, 0, 0), GOOD, 5)
    again = calls(health, [BAD] * 5, 10, 0)
    assert again.open_until == 10 + 2 * OPEN_SECONDS
    later = calls(health, [BAD] * 5, 5 + SETTLED_SECONDS, 0)
    assert later.open_until == 5 + SETTLED_SECONDS + OPEN_SECONDS


def test_a_slow_probe_counts_against_a_slow_one_only() -> None:
    slow = calls(Health(), [SLOW] * 5, 0, 0)
    assert after(slow, SLOW, OPEN_SECONDS).openings == 2
    failing = calls(Health(), [BAD] * 5, 0, 0)
    assert after(failing, SLOW, OPEN_SECONDS).open_until is None


def test_a_share_changes_once_in_15_minutes_and_never_to_nothing() -> None:
    health, changes = Health(), []
    for at in range(0, 4 * 3_600, 10):
        before = health.share
        health = after(health, Pulse(good=3, bad=1), at)
        if health.share != before:
            changes.append(at)
    assert health.open_until is None
    assert all(b - a >= SETTLED_SECONDS for a, b in pairwise(changes))
    assert health.share == SHARE_LEAST
    assert len(changes) == 9


def test_a_share_drifts_back_when_nothing_errs() -> None:
    health = Health(share=70, share_changed_at=0)
    assert drift(health, SETTLED_SECONDS - 1) == health
    shares = []
    for step in range(1, 5):
        health = drift(health, step * SETTLED_SECONDS)
        shares.append(health.share)
    assert shares == [80, 90, 100, 100]
    assert not health.is_degraded


def test_a_share_does_not_drift_back_while_it_errs() -> None:
    window = tuple(Beat(899 - n, 4, 2, 0) for n in range(10))
    health = Health(window, share=70, share_changed_at=0)
    assert drift(health, 900) == health


def test_an_open_one_that_nobody_calls_is_closed_in_the_end() -> None:
    health = calls(Health(), [BAD] * 5, 0, 0)
    assert drift(health, OPEN_SECONDS + SETTLED_SECONDS - 1) == health
    assert drift(health, OPEN_SECONDS + SETTLED_SECONDS).open_until is None


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 5), st.floats(0, 2_000)),
        max_size=80,
    )
)
def test_whatever_happens_it_stays_small_and_within_bounds(
    story: list[tuple[int, int, int, float]],
) -> None:
    health, at = Health(), 1e9
    for good, bad, slow, later in story:
        at += later
        health = drift(after(health, Pulse(good, bad, slow), at), at)
        assert SHARE_LEAST <= health.share <= 100
        assert health.share % 10 == 0
        assert len(health.window) <= 75
        assert health.open_until is None or health.open_until <= at + OPEN_MOST_SECONDS
        assert (health.open_until is None) == (health.trouble is None)
