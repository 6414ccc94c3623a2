"""What the tests of all drivers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from delivery.drivers.smtp import Smtp
from hiram.lib import http
from tests.drivers.conformance import DEVELOPMENT


@pytest.fixture(autouse=True)
def development() -> Iterator[None]:
    """Let connections go to 127.0.0.1, in clear."""
    before = http.policy()
    http.use(DEVELOPMENT)
    yield
    http.use(before)


@pytest.fixture
def smtp() -> Iterator[Smtp]:
    """The SMTP driver; its connections are closed in the end."""
    smtp = Smtp()
    yield smtp
    smtp.close()
