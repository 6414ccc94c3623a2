"""django-post-office doing the same work; run by a Python of its own.

`peer.py DATABASE_URL SMTP_PORT` stays: for each line of JSON it reads it prints `[mails, seconds]`.
`{"send": 3}`: `mail.send()` in a loop, for 3 s. `{"send_many": 3}`: `mail.send_many()` of 500, for
3 s. `{"send_queued": 3000, "processes": 2, "threads": 5}`: so many, delivered from its queue.
"""

import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

MANY = 500


def configure(url: str, port: int) -> None:
    """Django with post_office alone."""
    parts = urlsplit(url)
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.path.lstrip("/"),
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
    """Do what is asked, until nothing more is."""
    configure(sys.argv[1], int(sys.argv[2]))
    from django.core.management import call_command
    from django.db import connection
    from post_office import mail
    from post_office.models import Email

    call_command("migrate", verbosity=0)
    # What a part of it should print is no answer.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        asked = json.loads(line)
        if "send" in asked:
            told = repeated(lambda: mail.send(**letter()), 1, asked["send"])
        elif "send_many" in asked:
            told = repeated(lambda: mail.send_many(letters(MANY)), MANY, asked["send_many"])
        else:
            told = delivered(mail, Email, asked)
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE post_office_email CASCADE")
        print(json.dumps(told), file=answers, flush=True)


def letters(count: int) -> list[dict[str, Any]]:
    """Some mails."""
    return [letter() for _ in range(count)]


def repeated(call: Callable[[], object], mails: int, seconds: float) -> tuple[int, float]:
    """Mails and seconds; each call queues some."""
    began, done = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds:
        call()
        done += mails
    return done, spent


def delivered(mail: Any, email: Any, asked: dict[str, int]) -> tuple[int, float]:
    """Mails and seconds, with so many processes, and threads in each."""
    count = asked["send_queued"]
    settings.POST_OFFICE["THREADS_PER_PROCESS"] = asked["threads"]  # type: ignore[misc]
    mail.send_many(letters(count))
    began = time.perf_counter()
    mail.send_queued_mail_until_done(processes=asked["processes"], log_level=0)
    spent = time.perf_counter() - began
    sent = email.objects.filter(status=0).count()
    if sent != count:
        raise SystemExit(f"{sent} of {count} were sent")
    return count, spent


if __name__ == "__main__":
    main()
