"""RabbitMQ as the broker: it carries ticks only, so with it gone nothing but speed is."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.embedded.waiting import until
from tests.street.instance import Instance
from tests.street.rabbitmq import SERVER, RabbitMQ
from tests.street.tenant import Tenant

WAIT_SECONDS = 90

pytestmark = [
    pytest.mark.xdist_group("street"),
    pytest.mark.skipif(
        not SERVER.exists() and not os.environ.get("CI"), reason="rabbitmq-server is not here"
    ),
]


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitMQ]:
    with RabbitMQ() as running:
        yield running


@pytest.fixture(scope="module")
def tenant(broker: RabbitMQ) -> Iterator[Tenant]:
    with Instance(CELERY_BROKER_URL=broker.url) as instance:
        until(instance.ready, WAIT_SECONDS)
        made = instance.tenant()
        made.provider()
        yield made


def sent(tenant: Tenant, count: int) -> None:
    """So many more are accepted and sent, each once."""
    made = [tenant.post(tenant.letter(f"n{number}")) for number in range(count)]
    assert {answer.status_code for answer in made} == {202}
    ids = [answer.json()["id"] for answer in made]
    for notification in ids:
        assert tenant.ended(notification, seconds=WAIT_SECONDS)["status"] == "sent"
    arrived = [a["key"] for a in tenant.instance.mailbox.arrivals() if a["key"] in ids]
    assert sorted(arrived) == sorted(ids)


def test_all_is_delivered_through_its_ticks(tenant: Tenant) -> None:
    sent(tenant, 20)


def test_killed_and_back_it_is_missed_by_nobody(broker: RabbitMQ, tenant: Tenant) -> None:
    broker.kill()
    sent(tenant, 5)
    broker.start()
    until(tenant.instance.ready, WAIT_SECONDS)
    sent(tenant, 20)
    assert tenant.instance.manage("audit", "--json").returncode == 0
