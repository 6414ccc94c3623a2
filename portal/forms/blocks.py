"""Blocking a channel, or all; the rules are those of the API, not repeated here."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from hiram.lib import rfc3339
from hiram.lib.problems import Problem
from hiram.lib.rest import validate
from notifications.api.blocks import NewBlock
from notifications.api.until import check_ahead
from notifications.models import Block
from notifications.shelves import channel_choices
from portal.forms.tenant import TenantForm
from portal.forms.webhooks import MODES, own_mode


def _channels() -> list[tuple[str, str]]:
    return [("", "All channels"), *channel_choices()]


class BlockForm(TenantForm):
    """What is not sent any more, why, and until when."""

    channel = forms.ChoiceField(choices=_channels, required=False, widget=UnfoldAdminSelectWidget)
    mode = forms.ChoiceField(
        choices=list(MODES.items()),
        widget=UnfoldAdminSelectWidget,
        help_text="Each mode has blocks of its own.",
    )
    reason = forms.CharField(
        max_length=500, widget=UnfoldAdminTextInputWidget, help_text="For your colleagues."
    )
    expires_at = forms.DateTimeField(
        required=False,
        label="Until",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-01-31 12:00"}),
        help_text="In UTC. Empty: until it is lifted.",
    )

    class Meta:
        model = Block
        fields = ("tenant", "mode", "channel", "reason", "expires_at")

    def clean(self) -> dict[str, Any]:
        """As the API checks it; a page sent twice makes no second block."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors or self.tenant is None:
            return cleaned
        given = {
            "channel": cleaned["channel"] or None,
            "reason": cleaned["reason"],
            "expires_at": rfc3339.show_if(cleaned["expires_at"]),
        }
        try:
            found = validate(NewBlock, given)
            check_ahead(found.expires_at)
        except Problem as problem:
            for error in problem.errors:
                name = error.pointer.strip("/")
                self.add_error(name if name in self.fields else None, error.detail)
            return cleaned
        cleaned |= found.model_dump() | {"mode": own_mode(self.tenant, cleaned["mode"])}
        same = {name: cleaned[name] for name in ("mode", *given)}
        if Block.objects.filter(tenant=self.tenant, **same).exists():
            self.add_error("reason", "There is this block already.")
        return cleaned
