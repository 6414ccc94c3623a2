"""The four pages of a password reset."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import views
from django.urls import reverse_lazy

from portal.forms.passwords import ResetForm


class Ask(views.PasswordResetView):
    """Which account?"""

    form_class: Any = ResetForm
    template_name = "portal/password_reset.html"
    success_url = reverse_lazy("password_reset_done")


class Asked(views.PasswordResetDoneView):
    """The same for every address."""

    template_name = "portal/password_reset_done.html"


class Set(views.PasswordResetConfirmView):
    """A new password, for who has the link. The token goes from the address to the session."""

    template_name = "portal/password_reset_confirm.html"
    success_url = reverse_lazy("password_reset_complete")


class Done(views.PasswordResetCompleteView):
    """It is set."""

    template_name = "portal/password_reset_complete.html"
