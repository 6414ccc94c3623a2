"""Keys' last use is recorded by a thread that outlives a test, and with it the test's database.

A conftest that imports the fixture keeps its folder's tests from starting that thread.
"""

from __future__ import annotations

import pytest

from tenants import auth

__all__ = ["unnoted"]


@pytest.fixture(autouse=True)
def unnoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth._last_used, "note", lambda key_id: None)
