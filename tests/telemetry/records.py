"""Records and what is planted in them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hiram.telemetry import JsonFormatter

LOCAL, DOMAIN = "ada.canary+tag", "canary-mail.example"
EMAIL = f"{LOCAL}@{DOMAIN}"
BODY = "Dear canary, your code is 881144"
SECRET = "s3cr3t-c4n4ry-v4lue"
KEY = "hk_live_IWvaOH2hSXaEs6mvp3zj35kUFCjrL1" + "1ZlkrX"
"""Of the right form, and the same in every process that collects the tests."""
PHONE = "+4915112345678"


def line(message: object, *args: object, **extra: Any) -> str:
    """The line of one record."""
    logger = logging.getLogger("tests.redaction")
    info = extra.pop("exc_info", None)
    record = logger.makeRecord(
        logger.name, logging.WARNING, __file__, 1, message, args, info, extra=extra
    )
    return JsonFormatter().format(record)


def failing(act: Callable[[], object]) -> str:
    """The line of a record that carries the error which `act` raises."""
    try:
        act()
    except Exception as error:
        return line("it failed: %s", error, exc_info=(type(error), error, error.__traceback__))
    raise AssertionError("it did not fail")
