"""A connection to PostgreSQL that belongs to nobody's request and gives up early."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

STATEMENT_MILLISECONDS = 900
_CONNECT_SECONDS = 1


def own_connection() -> BaseDatabaseWrapper:
    """A connection for one user at a time, whichever thread; opened at first use."""
    known: dict[str, Any] = deepcopy(dict(connections["default"].settings_dict))
    known["CONN_MAX_AGE"] = None
    known["CONN_HEALTH_CHECKS"] = False
    known["OPTIONS"] = {
        **known["OPTIONS"],
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": "hiram-ops",
        "options": f"-c statement_timeout={STATEMENT_MILLISECONDS} -c lock_timeout=500",
    }
    wrapper: BaseDatabaseWrapper = load_backend(known["ENGINE"]).DatabaseWrapper(known, "default")
    wrapper.inc_thread_sharing()
    return wrapper
