"""With what the editor's text is tried while it is typed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminSelectWidget

from hiram.lib.locales import LOCALE_CHARACTERS, locale
from portal.forms.source import JsonText

WIDTHS = (("narrow", "Phone (360)"), ("wide", "Wider (680)"))


class LiveForm(forms.Form):
    """Beside the editor's own form: in which locale, and with what.

    Any tag may be asked for, as by a send; the page offers those there are.
    """

    prefix = "live"

    locale = forms.CharField(
        required=False, max_length=LOCALE_CHARACTERS, widget=UnfoldAdminSelectWidget
    )
    width = forms.ChoiceField(required=False, choices=WIDTHS, widget=UnfoldAdminSelectWidget)
    given = JsonText(
        rows=6, label="Data", help_text="Values of the variables, as a send gives them."
    )

    def __init__(
        self, tags: Iterable[str], initial: dict[str, Any] | None = None, data: Any = None
    ) -> None:
        """`tags` are offered."""
        super().__init__(data, initial=initial)
        locale_field: Any = self.fields["locale"]
        locale_field.widget.choices = [("", "as for the tenant"), *((tag, tag) for tag in tags)]

    def clean_locale(self) -> str | None:
        """The tag in its one spelling."""
        tag = self.cleaned_data["locale"]
        try:
            return locale(tag) if tag else None
        except ValueError as error:
            raise ValidationError(f"This {error}.") from error

    def place(self, steps: list[str]) -> str | None:
        """Every finding that comes here is about the data."""
        return "given"
