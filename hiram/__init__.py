"""Hiram: multi-tenant notification delivery. The word is never lost."""

from __future__ import annotations

import os

__version__ = "0.1.0"

# Every way in (manage.py, granian, Celery) imports this package first.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiram.settings")
