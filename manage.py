#!/usr/bin/env python
"""Hiram's commands: `manage.py help` lists them."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiram.settings")

if __name__ == "__main__":
    if os.environ.get("HIRAM_ENV") != "production":
        # In development the instance in HIRAM_HOME says where its servers are.
        from hiram.embedded.environment import adopt

        adopt(os.environ, sys.argv[1] if len(sys.argv) > 1 else "")
    execute_from_command_line(sys.argv)
