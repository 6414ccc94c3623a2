"""Logging in: one account, one name, however it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.forms import AuthenticationForm as PlainAuthenticationForm

from tenants.models import User

if TYPE_CHECKING:
    from django.contrib.admin.forms import AdminAuthenticationForm as AuthenticationForm
else:
    from unfold.forms import AuthenticationForm


class LoginForm(AuthenticationForm):
    """Throttling counts by account, so every spelling that opens an account is made one."""

    error_messages: dict[str, Any] = {
        "invalid_login": "This e-mail address and password do not go together.",
        "inactive": "This account is closed.",
    }

    def clean_username(self) -> str:
        """The account's own address where there is one."""
        typed: str = self.cleaned_data["username"]
        try:
            return User.objects.get_by_natural_key(typed).email
        except User.DoesNotExist:
            return typed

    def confirm_login_allowed(self, user: Any) -> None:
        """Every active account: who is no tenant's member yet logs in to accept an invitation."""
        PlainAuthenticationForm.confirm_login_allowed(self, user)
