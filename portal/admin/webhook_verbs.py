"""What can be done with a webhook besides changing it, each after a page that asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.forms import Form

from notifications import webhooks
from notifications.models import WebhookEndpoint
from portal.forms.webhooks import RecoverForm


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that can be done with a webhook: what is asked before, and what is said after.

    `act` does it and returns what is put into `did`.
    """

    name: str
    label: str
    means: str
    did: str
    act: Callable[[WebhookEndpoint, dict[str, Any]], object]
    form: type[Form] | None = None
    ends_at: str = "change"


def _switch(endpoint: WebhookEndpoint, enabled: bool) -> None:
    webhooks.change(endpoint, {}, None, enabled=enabled)


TEST = Verb(
    "test", "Send a test",
    "It is posted a webhook.test event, signed as every other.",
    "A test is on its way: it is among the deliveries.",
    lambda endpoint, _: webhooks.test(endpoint), ends_at="deliveries",
)  # fmt: skip
RECOVER = Verb(
    "recover", "Tell it again",
    "It is told again what failed, expired or was never told, 10,000 events at most.",
    "{} events are told again.",
    lambda endpoint, given: webhooks.recover(endpoint, given["since"]),
    form=RecoverForm, ends_at="deliveries",
)  # fmt: skip
ENABLE = Verb(
    "enable", "Enable",
    "It is told what it is still owed, and every event from now on. Its failures are forgotten.",
    "It is enabled. What it missed can be told again.",
    lambda endpoint, _: _switch(endpoint, True),
)  # fmt: skip
DISABLE = Verb(
    "disable", "Disable",
    "It is told nothing until it is enabled. What it is owed waits for up to four days; what"
    " happens meanwhile can be told then.",
    "It is disabled.",
    lambda endpoint, _: _switch(endpoint, False),
)  # fmt: skip
VERBS = (TEST, RECOVER, ENABLE, DISABLE)
