"""Confirming what is done with many notifications at once."""

from __future__ import annotations

from django import forms
from unfold.widgets import UnfoldAdminDecimalFieldWidget

MANY = 10_000_000


class ManyForm(forms.Form):
    """`count` is how many the person saw, and the most that is done; `begun` of how many goes
    before with the same pace."""

    count = forms.IntegerField(min_value=1, max_value=MANY)
    begun = forms.IntegerField(min_value=0, max_value=MANY)


class PacedForm(ManyForm):
    """How fast as well."""

    per_second = forms.FloatField(
        label="Per second",
        required=False,
        min_value=0.01,
        max_value=1_000,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="How many become due a second, to spare the provider. Empty: all at once.",
    )
