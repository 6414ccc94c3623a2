"""The WSGI application; `hiram.rsgi` serves it."""

from __future__ import annotations

from django.core.signals import request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, reset_queries

from hiram import celery

__all__ = ["application", "celery"]

application = get_wsgi_application()

# Django looks after connections before each request and after it; once is enough. Queries are kept
# in memory only with DEBUG, which is never on.
request_started.disconnect(close_old_connections)
request_started.disconnect(reset_queries)
