"""PostgreSQL and Redis from wheels, and the supervisor behind `manage.py up`.

For development and tests; nothing here is imported in production.
"""
