"""RabbitMQ as the broker, under load: killed, frozen and gone for a while, among other faults."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.chaos.blows import Blows
from tests.chaos.run import Form, run
from tests.chaos.scene import Scene, pass_by
from tests.street.processes import frozen
from tests.street.rabbitmq import SERVER, RabbitMQ

FORM = Form(800, 20, 2, patient=False, drain_seconds=90, away=10)
FROZEN_SECONDS = 8
BESIDE = (
    "kill -9 web", "kill -9 worker", "kill -9 relay", "kill -9 beat", "kill -9 postgres",
    "freeze worker",
)  # fmt: skip


@pytest.mark.chaos
@pytest.mark.xdist_group("chaos")
@pytest.mark.skipif(
    not SERVER.exists() and not os.environ.get("CI"), reason="rabbitmq-server is not here"
)
def test_nothing_is_lost_with_rabbitmq(capsys):
    with RabbitMQ() as broker:

        def faults(scene: Scene) -> dict[str, Callable[[], int]]:
            def kill() -> int:
                broker.kill()
                broker.start()
                return 0

            def gone() -> int:
                """While it is away, too, all goes through."""
                broker.kill()
                _, delivered = scene.passes()
                pass_by(scene.away - delivered)
                broker.start()
                return 0

            def freeze() -> int:
                with frozen(*broker.family()):
                    scene.passes()
                    pass_by(FROZEN_SECONDS)
                return 0

            known = Blows(scene).kinds
            return {name: known[name] for name in BESIDE} | {
                "kill -9 rabbitmq": kill,
                "rabbitmq gone": gone,
                "freeze rabbitmq": freeze,
            }

        run(FORM, capsys, faults, CELERY_BROKER_URL=broker.url)
