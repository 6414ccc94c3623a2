"""`Idempotency-Key`: the same post twice is one notification, also at the same moment."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections, transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from notifications.idempotency import key
from notifications.models import Content, Event, IdempotencyRecord, Notification, OutboxMessage
from tenants.models import Tenant
from tests.factories import ProviderFactory, TenantFactory, email
from tests.notifications.calls import BATCH, PATH, Api, Said, api
from tests.tenancy import together

REPLAYED = "Idempotency-Replayed"
OTHER = email(subject="Another")


@pytest.fixture
def shared(transactional_db: None) -> Api:
    """A caller whom every thread's connection knows."""
    return api(TenantFactory.create())


def rows() -> list[int]:
    return [m.objects.count() for m in (Notification, Content, Event, OutboxMessage)]


@pytest.mark.django_db
class TestAgain:
    def test_the_first_answer_is_given_again(self, live: Api) -> None:
        first = live.post(email(), Idempotency_Key="k")
        again = live.post(email(), Idempotency_Key="k")
        assert (again.status, again.raw) == (first.status, first.raw) == (202, first.raw)
        assert again.headers["Location"] == first.headers["Location"]
        assert REPLAYED not in first.headers
        assert again.headers[REPLAYED] == "true"
        assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
        assert rows() == [1, 1, 1, 1]

    def test_so_it_is_after_it_was_sent(self, live: Api) -> None:
        first = live.post(email(), Idempotency_Key="k")
        Notification.objects.update(status="sent", settled_at=timezone.now())
        OutboxMessage.objects.all().delete()
        assert live.post(email(), Idempotency_Key="k").raw == first.raw
        assert rows() == [1, 1, 1, 0]

    def test_a_batch_is_answered_again(self, live: Api) -> None:
        first = live.batch(email(), OTHER, Idempotency_Key="k")
        again = live.batch(email(), OTHER, Idempotency_Key="k")
        assert (again.status, again.body) == (202, first.body)
        assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, "true")
        assert rows() == [2, 2, 2, 2]

    def test_a_partial_batch_is_answered_again_with_its_refusals(self, live: Api) -> None:
        asked: dict[str, Any] = {"mode": "partial", "Idempotency_Key": "k"}
        first = live.batch({}, email(), **asked)
        again = live.batch({}, email(), **asked)
        assert (first.body["accepted"], first.body["rejected"]) == (1, 1)
        assert (again.status, again.body) == (202, first.body)
        assert again.headers[REPLAYED] == "true"
        assert rows() == [1, 1, 1, 1]

    def test_a_partial_batch_of_which_nothing_was_taken_too(self, live: Api) -> None:
        asked: dict[str, Any] = {"mode": "partial", "Idempotency_Key": "k"}
        first, again = live.batch({}, **asked), live.batch({}, **asked)
        assert REPLAYED not in first.headers
        assert (again.body, again.headers[REPLAYED]) == (first.body, "true")

    def test_the_order_of_names_and_blanks_are_no_other_body(self, live: Api) -> None:
        first = live.post(b'{"channel":"sms","recipient":"+14155550100","body":"\\u0041"}',
                          Idempotency_Key="k")  # fmt: skip
        again = live.post(b'{ "body" : "A", "recipient":"+14155550100", "channel":"sms" }',
                          Idempotency_Key="k")  # fmt: skip
        assert (first.status, again.raw) == (202, first.raw)

    @pytest.mark.parametrize(
        "other", [OTHER, email(metadata={}), {}, [], email(subject=1), email(nope=1), None]
    )
    def test_another_body_is_refused_or_invalid(self, live: Api, other: Any) -> None:
        live.post(email(), Idempotency_Key="k")
        said = live.post(other, Idempotency_Key="k")
        assert said.status == 422
        assert said.code in {"idempotency-key-reused", "invalid"}
        assert rows() == [1, 1, 1, 1]

    def test_a_valid_other_body_is_named_so(self, live: Api) -> None:
        live.post(email(), Idempotency_Key="k")
        for said in (
            live.post(OTHER, Idempotency_Key="k"),
            live.post(email(metadata={}), Idempotency_Key="k"),
            live.batch(email(), Idempotency_Key="k"),
        ):
            assert (said.status, said.code) == (422, "idempotency-key-reused")
        assert live.batch(email(), Idempotency_Key="other").status == 202

    def test_without_a_key_two_posts_are_two(self, live: Api) -> None:
        assert live.post(email()).body != live.post(email()).body
        assert not IdempotencyRecord.objects.exists()

    @pytest.mark.parametrize(
        ("one", "other"), [("k", "K"), ("k", "k2"), ('"k"', "k"), ("a b", "ab")]
    )
    def test_keys_are_compared_exactly(self, live: Api, one: str, other: str) -> None:
        ids = {live.post(email(), Idempotency_Key=text).body["id"] for text in (one, other)}
        assert len(ids) == 2

    def test_another_tenant_or_mode_has_keys_of_its_own(self, live: Api, tenant: Tenant) -> None:
        callers = [live, api(tenant, "test"), api(TenantFactory.create())]
        said = [caller.post(email(), Idempotency_Key="k") for caller in callers]
        assert [s.status for s in said] == [202] * 3
        assert len({s.body["id"] for s in said}) == 3
        assert all(REPLAYED not in s.headers for s in said)
        others = [caller.post(OTHER, Idempotency_Key="k").code for caller in callers]
        assert others == ["idempotency-key-reused"] * 3

    def test_another_key_of_the_same_tenant_shares_them(self, live: Api, tenant: Tenant) -> None:
        first = live.post(email(), Idempotency_Key="k")
        assert api(tenant).post(email(), Idempotency_Key="k").raw == first.raw


@pytest.mark.django_db
class TestForgotten:
    def test_it_is_remembered_for_a_day(self, live: Api) -> None:
        live.post(email(), Idempotency_Key="k")
        record = IdempotencyRecord.objects.get()
        assert record.expires_at - record.created_at == timedelta(hours=24)
        assert timedelta(seconds=settings.IDEMPOTENCY_SECONDS) == timedelta(hours=24)

    @pytest.mark.parametrize("body", [email(), OTHER])
    def test_then_the_key_is_new(self, live: Api, body: dict[str, Any]) -> None:
        first = live.post(email(), Idempotency_Key="k")
        IdempotencyRecord.objects.update(expires_at=F("created_at") - timedelta(seconds=1))
        second = live.post(body, Idempotency_Key="k")
        assert second.status == 202
        assert second.body != first.body
        assert REPLAYED not in second.headers
        assert live.post(body, Idempotency_Key="k").raw == second.raw
        record = IdempotencyRecord.objects.get()
        assert record.expires_at - record.created_at == timedelta(hours=24)
        assert rows() == [2, 2, 2, 2]

    @pytest.mark.parametrize("body", [{}, email(recipient="x"), email(nope=1), b"{", b"[]"])
    def test_a_refusal_is_not_remembered(self, live: Api, body: Any) -> None:
        assert live.post(body, Idempotency_Key="k").status in {400, 422}
        assert not IdempotencyRecord.objects.exists()
        said = live.post(email(), Idempotency_Key="k")
        assert (said.status, REPLAYED in said.headers) == (202, False)

    def test_nor_is_a_refused_batch_or_sender(self, live: Api, tenant: Tenant) -> None:
        ProviderFactory.create(tenant=tenant)
        assert live.batch(email(), {}, Idempotency_Key="k").status == 422
        assert live.post(email(**{"from": "a@x.org"}), Idempotency_Key="k").status == 422
        assert not IdempotencyRecord.objects.exists()

    def test_nor_is_an_error_of_ours(self, live: Api) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE notifications_event ADD CONSTRAINT broken CHECK (false)")
        with transaction.atomic():
            said = live.post(email(), Idempotency_Key="k")
            transaction.set_rollback(True)
        assert (said.status, said.code) == (500, "internal")
        assert not IdempotencyRecord.objects.exists()

    @pytest.mark.parametrize("mode", ["atomic", "partial"])
    def test_a_sender_lost_since_does_not_change_the_answer(
        self, live: Api, tenant: Tenant, mode: str
    ) -> None:
        provider = ProviderFactory.create(tenant=tenant)
        body = email(**{"from": "hello@sender.example"})
        first = live.post(body, Idempotency_Key="one")
        many = live.batch(body, mode=mode, Idempotency_Key="many")
        provider.settings["from_email"] = "new@sender.example"
        provider.save(update_fields=["settings"])
        assert live.post(body, Idempotency_Key="one").raw == first.raw
        assert live.batch(body, mode=mode, Idempotency_Key="many").body == many.body
        assert live.post(body, Idempotency_Key="new").errors == [("/from", "sender_not_allowed")]
        assert live.post(body | {"subject": "x"}, Idempotency_Key="one").code == (
            "idempotency-key-reused"
        )
        assert rows() == [2, 2, 2, 2]


def judge(said: list[Said], first: Any) -> None:
    """Every answer is the first one's, or asks to come again."""
    assert Counter(s.status for s in said)[202] + Counter(s.status for s in said)[409] == len(said)
    for answer in said:
        if answer.status == 409:
            assert (answer.code, answer.headers["Retry-After"]) == ("idempotency-in-progress", "1")
        else:
            assert answer.body == first
    assert sum(s.status == 202 and REPLAYED not in s.headers for s in said) == 1


class TestAtOnce:
    def test_fifty_posts_with_one_key_are_one(self, shared: Api) -> None:
        said = together(50, lambda _: shared.post(email(), Idempotency_Key="k"))
        first = next(s for s in said if REPLAYED not in s.headers and s.status == 202)
        judge(said, first.body)
        assert rows() == [1, 1, 1, 1]
        assert IdempotencyRecord.objects.count() == 1
        assert shared.post(email(), Idempotency_Key="k").body == first.body

    def test_so_are_fifty_batches(self, shared: Api) -> None:
        said = together(50, lambda _: shared.batch(email(), OTHER, Idempotency_Key="k"))
        first = next(s for s in said if REPLAYED not in s.headers and s.status == 202)
        judge(said, first.body)
        assert rows() == [2, 2, 2, 2]

    def test_of_fifty_bodies_one_wins(self, shared: Api) -> None:
        said = together(50, lambda n: shared.post(email(subject=f"{n}"), Idempotency_Key="k"))
        winners = [s for s in said if s.status == 202]
        assert len(winners) == 1
        assert {s.code for s in said if s.status != 202} <= {
            "idempotency-key-reused", "idempotency-in-progress",
        }  # fmt: skip
        assert rows() == [1, 1, 1, 1]

    def test_fifty_keys_are_fifty(self, shared: Api) -> None:
        said = together(50, lambda n: shared.post(email(), Idempotency_Key=f"{n}"))
        assert {s.status for s in said} == {202}
        assert len({s.body["id"] for s in said}) == 50
        assert rows() == [50] * 4

    def test_an_expired_key_is_taken_once(self, shared: Api) -> None:
        old = shared.post(email(), Idempotency_Key="k").body
        IdempotencyRecord.objects.update(expires_at=F("created_at") - timedelta(seconds=1))
        said = together(20, lambda _: shared.post(email(), Idempotency_Key="k"))
        first = next(s for s in said if REPLAYED not in s.headers and s.status == 202)
        assert first.body != old
        judge(said, first.body)
        assert rows() == [2] * 4

    def test_one_that_is_not_finished_is_said_so(self, shared: Api) -> None:
        shared.post(email(), Idempotency_Key="k")
        IdempotencyRecord.objects.update(expires_at=F("created_at") - timedelta(seconds=1))
        with transaction.atomic():
            IdempotencyRecord.objects.select_for_update().get()
            (said,) = together(1, lambda _: shared.post(email(), Idempotency_Key="k"))
        assert (said.status, said.code) == (409, "idempotency-in-progress")
        assert said.headers["Retry-After"] == "1"
        assert rows() == [1] * 4
        assert shared.post(email(), Idempotency_Key="k").status == 202

    @pytest.mark.parametrize("is_undone", [True, False])
    def test_the_second_waits_for_the_first(self, shared: Api, is_undone: bool) -> None:
        body = email()
        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                IdempotencyRecord.objects.create(
                    tenant=Tenant.objects.get(), mode="live", key="k", status=202,
                    fingerprint=key("k", method="POST", path=PATH, body=body).fingerprint,
                    body={"id": "ntf_" + "0" * 26, "status": "accepted"},
                    expires_at=timezone.now() + timedelta(days=1),
                )  # fmt: skip
                answer = pool.submit(apart, lambda: shared.post(body, Idempotency_Key="k"))
                wait_until_one_waits()
                transaction.set_rollback(is_undone)
            said = answer.result(timeout=10)
        assert said.status == 202
        assert (REPLAYED in said.headers) is not is_undone
        assert rows() == ([1] * 4 if is_undone else [0] * 4)


def apart(act: Callable[[], Said]) -> Said:
    """Act in a thread, and leave no connection behind."""
    try:
        return act()
    finally:
        connections.close_all()


def wait_until_one_waits() -> None:
    """Until another connection waits for a lock of ours."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waits")


@pytest.mark.django_db
@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=255))
def test_any_printable_key_is_one(text: str) -> None:
    made = key(text, method="POST", path=PATH, body={})
    assert made.text == text
    assert len(made.fingerprint) == 32


bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(one=bodies, other=bodies)
def test_two_requests_have_one_fingerprint_only_if_they_are_one(one: Any, other: Any) -> None:
    def fingerprint(body: Any, path: str = PATH, method: str = "POST") -> bytes:
        return key("k", method=method, path=path, body=body).fingerprint

    is_same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (fingerprint(one) == fingerprint(other)) is is_same
    assert fingerprint(one) != fingerprint(one, BATCH)
    assert fingerprint(one) != fingerprint(one, method="PUT")
