"""Resetting a password by mail, without telling anybody whether an account exists."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.tokens import default_token_generator
from django.db import connections
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from notifications.models import Notification
from portal import mails
from tenants.models import User

logger = logging.getLogger(__name__)

MAILS_AN_HOUR = 5
"""To one address, so that nobody's mailbox is filled from here."""

WAITING = 1_000

_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="password-reset")
_places = threading.BoundedSemaphore(WAITING)


class ResetForm(forms.Form):
    """The address; everything that depends on it happens off the request's path.

    So the answer is the same, in what it says and in the time it takes, for every address.
    """

    email = forms.EmailField(
        max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )

    def save(self, **options: Any) -> None:
        """Ask for a mail. With very many waiting the request is dropped: ask again."""
        if _places.acquire(blocking=False):
            _pool.submit(_work, str(self.cleaned_data["email"]))


def _work(email: str) -> None:
    try:
        send_reset(email)
    except Exception as error:
        logger.warning("password reset not sent: %s", type(error).__name__)
    finally:
        connections.close_all()
        _places.release()


def send_reset(email: str) -> None:
    """Mail a link to the account of this address, if there is one that may log in."""
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    # The database compares more letters as equal than mail systems do (the Turkish dotless i);
    # so the mail goes to the stored address, and only where both are the same in lower case.
    if user is None or user.email.lower() != email.lower() or _asked_enough(user.email):
        return
    code = urlsafe_base64_encode(force_bytes(user.pk))
    token = default_token_generator.make_token(user)
    link = mails.absolute(reverse("password_reset_confirm", args=[code, token]))
    mails.send(user.email, "Set a new password for Hiram", "password_reset", link=link)


def _asked_enough(email: str) -> bool:
    recent = Notification.objects.filter(
        tenant__is_system=True,
        recipient=email,
        created_at__gt=timezone.now() - timedelta(hours=1),
    )
    return recent.count() >= MAILS_AN_HOUR
