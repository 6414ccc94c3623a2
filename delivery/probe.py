"""Probe: send one test message through a provider right now, and say what it answered."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.utils import timezone

from delivery.accounts import account, with_sender
from delivery.driver import Answer, Failed, Fault, Message, Sent, Unknown
from delivery.shelves import drivers
from hiram.lib import ids, rest
from hiram.lib.vault import SealBroken
from notifications.shelves import channels
from tenants.models import Provider, Tenant

logger = logging.getLogger(__name__)

PROBE_SECONDS = 20.0
"""A person waits for the answer."""

_SUBJECT = "Hiram: test of a provider"
_TEXT = "This is a test message. It shows that Hiram can send through this provider."


class Shadowed(Exception):
    """The tenant is in shadow mode: nothing was sent, as nothing ever is."""


def test_provider(provider: Provider, recipient: str) -> tuple[Answer, float]:
    """The provider's answer to a test message, and the seconds it took, at most about 20.

    Nothing is recorded, and the provider's health is left as it is.

    Raises:
        Problem: 422 at `/recipient`, no address of the provider's channel.
        Shadowed: nothing was sent.
    """
    message = compose(provider.channel, recipient)
    if provider.tenant.mode == Tenant.Mode.SHADOW:
        raise Shadowed
    begun = time.monotonic()
    answer = _send(provider, message)
    return answer, time.monotonic() - begun


def compose(channel: str, recipient: str) -> Message:
    """The test message of a channel.

    Raises:
        Problem: 422 at `/recipient`.
    """
    model = channels[channel].request
    texts = {"subject": _SUBJECT, "body": _TEXT}
    given = {name: text for name, text in texts.items() if name in model.model_fields}
    request = rest.validate(model, {"channel": channel, "recipient": recipient} | given)
    key = ids.show("tst", ids.new())
    return Message(
        key=key,
        channel=channel,
        recipient=request.address,
        at=timezone.now(),
        attempt_id=key,
        **request.content(),
    )


def _send(provider: Provider, message: Message) -> Answer:
    try:
        opened = account(provider)
        driver = drivers[provider.driver]
    except SealBroken as error:
        return Failed(Fault.BAD_ACCOUNT, f"The stored credentials cannot be read: {error}.")
    except (KeyError, TypeError):
        return Failed(Fault.BAD_ACCOUNT, f"The driver {provider.driver} cannot use this account.")
    try:
        return driver.send(opened, with_sender(message, opened), timeout=PROBE_SECONDS)
    except Exception as error:
        # Only the kind: what a broken driver says may hold anything.
        logger.error("driver %s raised %s", provider.driver, type(error).__name__)
        return Unknown(f"The driver broke: {type(error).__name__}.")


def facts(answer: Answer, seconds: float) -> dict[str, Any]:
    """The answer as the API shows it."""
    shown: dict[str, Any] = {
        "outcome": {Sent: "sent", Failed: "failed", Unknown: "unknown"}[type(answer)],
        "fault": None,
        "code": answer.code or None,
        "enhanced_code": None,
        "detail": answer.detail or None,
        "provider_message_id": None,
        "duration_ms": round(seconds * 1000),
    }
    if isinstance(answer, Sent):
        shown["provider_message_id"] = answer.provider_message_id or None
    if isinstance(answer, Failed):
        shown["fault"] = str(answer.fault)
    if isinstance(answer, Sent | Failed):
        shown["enhanced_code"] = answer.enhanced_code or None
    return shown


def shadow_facts() -> dict[str, Any]:
    """What is shown instead where nothing may be sent."""
    nothing = facts(Unknown("Nothing was sent: this tenant or key never reaches a provider."), 0)
    return nothing | {"outcome": "shadow_would_send"}
