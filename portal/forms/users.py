"""Erasing a user: nobody does it by a slip."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextInputWidget

from notifications.channel import USER_ID_CHARACTERS


class EraseForm(forms.Form):
    """The user's id, typed once more."""

    user_id = forms.CharField(
        label="The user's id",
        strip=False,
        max_length=USER_ID_CHARACTERS,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Type it, to say that you mean this one.",
    )

    def __init__(self, user_id: str, data: Any = None) -> None:
        """For this user."""
        self.named = user_id
        super().__init__(data)

    def clean_user_id(self) -> str:
        """The same as the user's."""
        typed = str(self.cleaned_data["user_id"])
        if typed.strip() != self.named.strip():
            raise ValidationError("This is another id.")
        return typed
