"""What an accept costs in conversations with PostgreSQL, counted on the wire."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable

import pytest
from django.db import connection

from tenants.models import Tenant
from tests.factories import ProviderFactory, email
from tests.notifications.calls import Api, api

pytestmark = pytest.mark.django_db(transaction=True)


def messages(act: Callable[[], object]) -> list[str]:
    """What this connection sends to the server while `act` runs (libpq's own trace)."""
    with tempfile.TemporaryFile() as file:
        pg = connection.connection.pgconn
        pg.trace(os.dup(file.fileno()))
        try:
            act()
        finally:
            pg.untrace()
        file.seek(0)
        lines = file.read().decode(errors="replace").splitlines()
    fields = [line.split("\t") for line in lines]
    return [f[3].strip() for f in fields if len(f) > 3 and f[1] == "F"]


def round_trips(act: Callable[[], object]) -> int:
    """Each Query and each Sync is answered before the client goes on."""
    return sum(m.split(" ")[0] in {"Query", "Sync"} for m in messages(act))


@pytest.fixture
def live(transactional_db: None) -> Api:
    tenant = Tenant.objects.create(name="counted")
    caller = api(tenant)
    for _ in range(6):  # until every statement is prepared
        caller.post(email(), Idempotency_Key=os.urandom(8).hex())
        caller.post(email())
        caller.batch(email())
    return caller


def test_one_plain_send_takes_two(live: Api) -> None:
    assert round_trips(lambda: live.post(email())) == 2


def test_a_statement_that_is_not_prepared_yet_takes_no_more(transactional_db: None) -> None:
    caller = api(Tenant.objects.create(name="first"))
    assert round_trips(lambda: caller.post(email())) <= 3


def test_no_transaction_is_opened_around_the_one_statement(live: Api) -> None:
    sent = messages(lambda: live.post(email()))
    assert [m for m in sent if m.startswith("Query")] == []
    assert [m.split(" ")[0] for m in sent] == ["Bind", "Describe", "Execute", "Sync"] * 2


def test_a_key_costs_nothing_until_it_is_known(live: Api) -> None:
    assert round_trips(lambda: live.post(email(), Idempotency_Key="once")) == 2
    # The first answer, and what of it must not go out.
    assert round_trips(lambda: live.post(email(), Idempotency_Key="once")) == 4


def test_a_batch_takes_two(live: Api) -> None:
    assert round_trips(lambda: live.batch(*[email()] * 500)) == 2


def test_a_sender_takes_one_more(live: Api) -> None:
    ProviderFactory.create(tenant=Tenant.objects.get())
    body = email(**{"from": "hello@sender.example"})
    live.post(body)
    assert round_trips(lambda: live.post(body)) == 3


def test_a_refusal_takes_one(live: Api) -> None:
    assert round_trips(lambda: live.post({})) == 1
    assert round_trips(lambda: Api("hk_live_" + "0" * 36).post(email())) == 0
