"""django-post-office doing the same work; run by a Python of its own, prints one JSON line.

`peer.py DATABASE_URL SMTP_PORT`: mails a second by `mail.send()` in a loop, by
`mail.send_many()` of 500, and delivered by `send_queued_mail` at its best setting.
"""

import json
import logging
import sys
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

SENDS = 3_000
MANY, MANY_SIZE = 20, 500
DELIVERED = 3_000
SETTINGS = ((1, 5), (2, 5), (2, 16), (4, 8))
"""Processes and threads for each; the best of these counts."""


def configure(url: str, port: int) -> None:
    """Django with post_office alone."""
    parts = urlsplit(url)
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": "bench_peer",
                "USER": parts.username or "",
                "PASSWORD": parts.password or "",
                "HOST": parse_qs(parts.query).get("host", [parts.hostname or ""])[0],
                "PORT": str(parts.port or parse_qs(parts.query).get("port", [""])[0]),
                "CONN_MAX_AGE": None,
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        EMAIL_BACKEND="post_office.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
        USE_TZ=True,
        SECRET_KEY="bench",
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True},
            {
                "BACKEND": "post_office.template.backends.post_office.PostOfficeTemplates",
                "APP_DIRS": True,
                "DIRS": [],
                "OPTIONS": {"context_processors": []},
            },
        ],
        POST_OFFICE={
            "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"},
            "BATCH_SIZE": 500,
            "LOG_LEVEL": 0,
            "MAX_RETRIES": 0,
        },
    )
    logging.disable(logging.WARNING)
    django.setup()


def letter() -> dict[str, Any]:
    """One mail."""
    return {
        "recipients": ["ops@tenant.example"],
        "sender": "bench@sender.example",
        "subject": "Order confirmed",
        "message": "x" * 500,
        "priority": "medium",
    }


def main() -> None:
    """Measure."""
    configure(sys.argv[1], int(sys.argv[2]))
    from django.core.management import call_command
    from post_office import mail
    from post_office.models import Email

    call_command("migrate", verbosity=0)
    found: dict[str, float] = {}
    began = time.perf_counter()
    for _ in range(SENDS):
        mail.send(**letter())
    found["send"] = SENDS / (time.perf_counter() - began)
    Email.objects.all().delete()
    began = time.perf_counter()
    for _ in range(MANY):
        mail.send_many([letter() for _ in range(MANY_SIZE)])
    found["send_many"] = MANY * MANY_SIZE / (time.perf_counter() - began)
    Email.objects.all().delete()
    found["send_queued"] = max(delivered(mail, Email, *setting) for setting in SETTINGS)
    print(json.dumps(found))


def delivered(mail: Any, email: Any, processes: int, threads: int) -> float:
    """Mails a second with this many processes, and threads in each."""
    settings.POST_OFFICE["THREADS_PER_PROCESS"] = threads  # type: ignore[misc]
    mail.send_many([letter() for _ in range(DELIVERED)])
    began = time.perf_counter()
    mail.send_queued_mail_until_done(processes=processes, log_level=0)
    spent = time.perf_counter() - began
    sent = email.objects.filter(status=0).count()
    if sent != DELIVERED:
        raise SystemExit(f"{sent} of {DELIVERED} were sent")
    email.objects.all().delete()
    return DELIVERED / spent


if __name__ == "__main__":
    main()
