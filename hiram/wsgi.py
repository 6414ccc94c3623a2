"""The WSGI application; `hiram.rsgi` serves it."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

from hiram import celery

__all__ = ["application", "celery"]

application = get_wsgi_application()
