"""No driver is without its tests."""

from __future__ import annotations

import importlib

import pytest

from delivery.driver import Driver
from delivery.shelves import drivers
from tests.drivers.conformance import Conformance


@pytest.mark.parametrize("key", drivers)
def test_every_driver_passes_the_conformance_suite(key: str) -> None:
    """Its module here is named like it, and has a test class that makes it."""
    name = f"tests.drivers.test_{key}"
    members = vars(importlib.import_module(name)).values()
    classes = [
        member
        for member in members
        if isinstance(member, type)
        and issubclass(member, Conformance)
        and member.__module__ == name
        and member.__name__.startswith("Test")
    ]
    assert any(type(member().make()) is type(drivers[key]) for member in classes)


def test_every_driver_has_the_contract_s_defaults() -> None:
    assert [key for key, driver in drivers.items() if Driver not in type(driver).__mro__] == []
