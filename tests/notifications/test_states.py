"""The table of states, and that the database and the pages obey it."""

from __future__ import annotations

import itertools

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from hiram.management.pages import states as page
from notifications.models import Notification
from notifications.states import (
    MEANING,
    MOVES,
    OWED,
    SETTLED,
    STORED,
    State,
    before,
    may_move,
)
from tenants.models import Tenant
from tests.factories import post

S = State
UNSTORED = {S.QUEUED, S.SENDING}


def test_the_seeds_states_are_there() -> None:
    assert {"accepted", "queued", "sending", "sent", "failed", "suppressed"} <= set(State)


def test_the_sets_divide_the_states() -> None:
    assert set(MOVES) == set(MEANING) == set(State)
    assert set(State) == STORED | UNSTORED
    assert not STORED & UNSTORED
    assert STORED == OWED | SETTLED
    assert not OWED & SETTLED
    assert {S.ACCEPTED, S.SCHEDULED, S.HELD} == OWED


@pytest.mark.parametrize(("start", "end"), [
    ("accepted", "queued"), ("accepted", "scheduled"), ("accepted", "suppressed"), ("accepted", "canceled"),
    ("accepted", "expired"), ("scheduled", "queued"), ("queued", "sending"), ("queued", "accepted"),
    ("sending", "sent"), ("sending", "queued"), ("sending", "held"), ("sending", "failed"),
    ("sent", "delivered"), ("sent", "bounced"), ("sent", "complained"), ("delivered", "complained"),
    ("delivered", "acked"), ("acked", "read"), ("failed", "queued"), ("failed", "sent"), ("expired", "sent"),
    ("canceled", "sent"), ("held", "sent"), ("held", "queued"),
])  # fmt: skip
def test_the_designs_moves_are_allowed(start: str, end: str) -> None:
    assert may_move(State(start), State(end))


@pytest.mark.parametrize(("start", "end"), [
    ("sent", "queued"), ("sent", "failed"), ("sent", "expired"), ("sent", "accepted"), ("delivered", "sent"),
    ("bounced", "delivered"), ("complained", "delivered"), ("read", "acked"), ("suppressed", "sent"),
    ("suppressed", "queued"), ("canceled", "queued"), ("expired", "queued"), ("delivered", "bounced"),
    ("held", "sending"), ("failed", "sending"), ("scheduled", "sending"), ("failed", "expired"),
])  # fmt: skip
def test_no_other_is(start: str, end: str) -> None:
    assert not may_move(State(start), State(end))


def test_no_state_moves_to_itself() -> None:
    assert not [state for state in State if may_move(state, state)]


def test_each_state_can_be_reached() -> None:
    reached, todo = {S.ACCEPTED}, [S.ACCEPTED]
    while todo:
        fresh = set(MOVES[todo.pop()]) - reached
        reached |= fresh
        todo += fresh
    assert reached == set(State)


def test_what_is_settled_returns_only_as_a_replay_of_what_failed() -> None:
    back = {(s, e) for s in SETTLED for e in MOVES[s] if e not in SETTLED}
    assert back == {(S.FAILED, S.QUEUED)}


def test_what_was_sent_is_never_owed_again() -> None:
    taken = {S.SENT, S.DELIVERED, S.BOUNCED, S.COMPLAINED, S.ACKED, S.READ}
    for state in taken:
        assert set(MOVES[state]) <= taken


def longhand(after: State) -> set[State]:
    """By every path of at most three moves through what is not stored."""
    found = set()
    for start in STORED - {after}:
        for length in range(4):
            for way in itertools.product(UNSTORED - {after}, repeat=length):
                path = [start, *way, after]
                if all(may_move(a, b) for a, b in itertools.pairwise(path)):
                    found.add(start)
    return found


@pytest.mark.parametrize("after", State)
def test_before_finds_every_stored_way_in(after: State) -> None:
    found = before(after)
    assert set(found) == longhand(after)
    assert list(found) == sorted(set(found))
    assert after not in found


def test_before_sent_is_what_a_late_fact_may_change() -> None:
    assert set(before(S.SENT)) == {
        S.ACCEPTED, S.SCHEDULED, S.HELD, S.FAILED, S.EXPIRED, S.CANCELED,
    }  # fmt: skip
    assert set(before(S.ACCEPTED)) == {S.SCHEDULED, S.HELD, S.FAILED}


@given(walk=st.lists(st.integers(0, 10), max_size=30))
def test_on_every_walk_what_was_taken_stays_so(walk: list[int]) -> None:
    state, was_sent, replays = S.ACCEPTED, False, 0
    for choice in walk:
        if not MOVES[state]:
            break
        after = MOVES[state][choice % len(MOVES[state])]
        replays += state is S.FAILED and after is S.QUEUED
        if state in SETTLED and after not in SETTLED:
            assert replays
        state = after
        was_sent = was_sent or state is S.SENT
        assert not was_sent or state in SETTLED


@pytest.mark.django_db
@pytest.mark.parametrize("status", State)
@pytest.mark.parametrize("has_time", [True, False])
def test_the_database_takes_only_stored_states_with_their_time(
    tenant: Tenant, status: State, has_time: bool
) -> None:
    (row,) = post(tenant)
    change = Notification.objects.filter(pk=row.pk)
    fields = {"status": status, "settled_at": timezone.now() if has_time else None}
    if status in STORED and has_time is (status in SETTLED):
        assert change.update(**fields) == 1
    else:
        with pytest.raises(IntegrityError), transaction.atomic():
            change.update(**fields)


def test_the_page_shows_every_move_and_no_other() -> None:
    lines = [line.split() for line in page().splitlines() if " --> " in line]
    shown = {(a, b) for a, _, b in lines if "[*]" not in (a, b)}
    assert shown == {(start, end) for start in State for end in MOVES[start]}
    assert {a for a, _, b in lines if b == "[*]"} == {s for s in State if not MOVES[s]}
    for state in State:
        assert f"| `{state}` | " in page()
