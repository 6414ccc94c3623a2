"""Making an API key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from portal.forms.tenant import TenantForm
from tenants.models import ALL_SCOPES, ApiKey

LIFETIMES = {"": "Never", "30": "In 30 days", "90": "In 90 days", "365": "In a year"}


class KeyForm(TenantForm):
    """Names are unique among a tenant's usable keys: a page sent twice makes no second key."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in ALL_SCOPES],
        initial=ALL_SCOPES,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What the key may do. Writing does not include reading.",
    )
    lifetime = forms.ChoiceField(
        label="Expires",
        choices=list(LIFETIMES.items()),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = ApiKey
        fields = ("tenant", "name", "mode", "scopes")
        widgets = {"name": UnfoldAdminTextInputWidget, "mode": UnfoldAdminSelectWidget}
        help_texts = {
            "name": "For you to tell keys apart: the program or the server that will use it.",
            "mode": "A test key never reaches a real provider.",
        }

    def clean(self) -> dict[str, Any]:
        """The name is free in its tenant."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        tenant, name = self.tenant, cleaned.get("name")
        taken = ApiKey.objects.filter(tenant=tenant, name=name, revoked_at=None)
        if tenant and name and taken.exists():
            self.add_error("name", "A key of this name is in use. Revoke it, or take another.")
        if days := cleaned.get("lifetime"):
            cleaned["expires_at"] = timezone.now() + timedelta(days=int(days))
        return cleaned
