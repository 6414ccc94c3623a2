"""Suppressing an address by hand."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from hiram.lib.problems import Problem
from notifications.api.options import address_of
from notifications.channel import RECIPIENT_CHARACTERS
from notifications.models import Suppression
from notifications.shelves import channel_choices
from notifications.suppression import digest
from portal.forms.tenant import TenantForm
from portal.forms.webhooks import MODES, own_mode


class SuppressionForm(TenantForm):
    """An address that is not written to any more."""

    channel = forms.ChoiceField(choices=channel_choices, widget=UnfoldAdminSelectWidget)
    mode = forms.ChoiceField(
        choices=list(MODES.items()),
        widget=UnfoldAdminSelectWidget,
        help_text="Each mode has a list of its own.",
    )
    recipient = forms.CharField(
        max_length=RECIPIENT_CHARACTERS,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Nothing is sent to it any more.",
    )

    class Meta:
        model = Suppression
        fields = ("tenant", "mode", "channel")

    def clean(self) -> dict[str, Any]:
        """An address of the channel that is not in the list yet."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors or self.tenant is None:
            return cleaned
        channel = cleaned["channel"]
        try:
            address = address_of(channel, cleaned["recipient"])
        except Problem as problem:
            said = [error.detail for error in problem.errors]
            raise ValidationError({"recipient": said}) from problem
        cleaned |= {"mode": own_mode(self.tenant, cleaned["mode"]), "recipient": address}
        same = Suppression.objects.filter(
            tenant=self.tenant, mode=cleaned["mode"], channel=channel, category=None,
            address=digest(self.tenant.pk, channel, address), expires_at=None,
        )  # fmt: skip
        if same.exists():
            self.add_error("recipient", "It is in the list already.")
        return cleaned
