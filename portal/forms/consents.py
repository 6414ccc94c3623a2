"""A receipt of consent, written down for a user; the rules are those of the API."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from hiram.lib.problems import Problem
from hiram.lib.rest import validate
from notifications.api.consents import NewConsent
from notifications.api.options import address_of
from notifications.models import Consent
from notifications.shelves import channel_choices
from portal.forms.source import CATEGORIES
from portal.forms.templates import show

SOURCE = "portal"
"""Who wrote it is in the history: a receipt is exported, and names nobody of the tenant."""


class ConsentForm(forms.Form):
    """What was agreed to or withdrawn, in which words, where."""

    granted = forms.TypedChoiceField(
        label="What was said",
        choices=[("", "—"), ("yes", "granted"), ("no", "withdrawn")],
        coerce=lambda text: text == "yes",
        widget=UnfoldAdminSelectWidget,
    )
    category = forms.ChoiceField(
        choices=[("", "—"), *((name, name) for name in CATEGORIES)],
        widget=UnfoldAdminSelectWidget,
    )
    channel = forms.ChoiceField(
        choices=lambda: [("", "—"), *channel_choices()], widget=UnfoldAdminSelectWidget
    )
    text = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="The words that were agreed to, or withdrawn.",
    )
    version = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget, help_text="Of the words: 2026-01."
    )
    source = forms.CharField(
        required=False,
        initial=SOURCE,
        widget=UnfoldAdminTextInputWidget,
        help_text="Where it was said: signup form, phone, letter. The user's export shows it.",
    )
    address = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Empty: the user's own on that channel.",
    )

    receipt: Consent | None = None

    def place(self, steps: list[str]) -> str | None:
        """The field of a finding."""
        return steps[0] if steps else None

    def clean_text(self) -> str:
        """With the line breaks of every other client."""
        return str(self.cleaned_data["text"]).replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        """What can be written down, as `receipt`."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        given = cleaned | {"address": cleaned["address"] or None}
        try:
            fields = validate(NewConsent, given).model_dump()
            if fields["address"] is not None:
                fields["address"] = address_of(fields["channel"], fields["address"])
            self.receipt = Consent(**fields)
        except Problem as problem:
            show(self, problem.errors)
        return cleaned
