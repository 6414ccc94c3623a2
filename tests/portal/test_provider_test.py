"""The test button: a real message through a real server, and what it answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from delivery.simulator.server import Simulator
from tenants.models import Provider
from tests.portal.conftest import People, World
from tests.portal.test_providers import _change, _make


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def _test(people: People, provider: Provider, recipient: str) -> str:
    url = _change(provider).replace("change", "test")
    return people["developer"].post(url, {"recipient": recipient}).content.decode()


def test_the_test_button_sends_and_shows_the_answer(people: People, simulator: Simulator) -> None:
    simulator.clear()
    provider = _make(people, settings_port=str(simulator.smtp_port))
    page = _test(people, provider, "ada@recipient.example")
    assert "The provider took the message." in page
    assert "250" in page
    [arrived] = simulator.messages()
    assert arrived.recipients == ("ada@recipient.example",)
    assert (
        "took the message"
        not in people["developer"]
        .get(_change(provider).replace("change", "test"))
        .content.decode()
    )
    assert len(simulator.messages()) == 1


def test_the_test_button_shows_a_refusal(people: People, simulator: Simulator) -> None:
    provider = _make(people, settings_port=str(simulator.smtp_port))
    page = _test(people, provider, "bounce@simulator.test")
    assert "this recipient cannot be reached" in page
    assert "550" in page


def test_the_test_button_says_what_is_no_address(people: People, simulator: Simulator) -> None:
    simulator.clear()
    provider = _make(people, settings_port=str(simulator.smtp_port))
    page = _test(people, provider, "nobody at all")
    assert "took the message" not in page
    assert "must have an @-sign" in page
    assert simulator.messages() == []


def test_the_test_button_sends_nothing_for_a_shadow(
    people: People, ours: World, simulator: Simulator
) -> None:
    simulator.clear()
    ours.tenant.mode = "shadow"
    ours.tenant.save(update_fields=["mode"])
    provider = _make(people, settings_port=str(simulator.smtp_port))
    assert "Nothing was sent" in _test(people, provider, "ada@recipient.example")
    assert simulator.messages() == []
