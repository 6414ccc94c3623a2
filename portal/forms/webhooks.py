"""Setting up a webhook; the rules are those of the API, not repeated here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from hiram.lib.problems import Problem
from hiram.lib.rest import validate
from hiram.lib.web_address import refusal
from notifications.api.webhook_shapes import NewWebhook
from notifications.events import EVENTS
from notifications.models import WebhookEndpoint
from notifications.webhooks import MOVES, moves, names_of_headers
from portal.forms.tenant import TenantForm
from tenants.models import Tenant

COLUMNS = ("url", "description", "events", "rate_limit", "ordered", "asymmetric")
MODES = {"live": "Live", "test": "Test"}


class HeadersField(forms.CharField):
    """Headers as `Name: value`, one a line; None where there is nothing."""

    def to_python(self, value: Any) -> Any:
        """The values by their names."""
        found: dict[str, str] = {}
        for line in str(super().to_python(value)).splitlines():
            name, colon, text = (part.strip() for part in line.partition(":"))
            if not colon and name:
                raise ValidationError("A header a line, such as Authorization: Bearer abc.")
            if name.lower() in map(str.lower, found):
                raise ValidationError("A header may be given once.")
            if colon:
                found[name] = text
        return found or None


class WebhookForm(TenantForm):
    """Header values go in and never come out."""

    events = forms.MultipleChoiceField(
        choices=[(name, name) for name in EVENTS],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Which ones are told; none means all.",
    )
    rate_limit = forms.FloatField(
        required=False,
        label="Rate limit",
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="Posts in a second; empty for as many as there are.",
    )
    headers = HeadersField(
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autocomplete": "off"}),
        help_text="Sent with every post, such as Authorization: Bearer abc. One a line.",
    )
    no_headers = forms.BooleanField(
        required=False, label="Remove the headers", widget=UnfoldBooleanSwitchWidget
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("tenant", "mode", *COLUMNS)
        widgets = {
            "mode": UnfoldAdminSelectWidget(choices=list(MODES.items())),
            "url": UnfoldAdminTextInputWidget,
            "description": UnfoldAdminTextInputWidget,
            "ordered": UnfoldBooleanSwitchWidget,
            "asymmetric": UnfoldBooleanSwitchWidget,
        }
        help_texts = {
            "mode": "A test webhook is told what test keys send.",
            "description": "For you to tell webhooks apart.",
            "ordered": "The events of one notification one after the other, in their order.",
            "asymmetric": "Sign with ed25519 (v1a) too.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = [] if self.instance._state.adding else names_of_headers(self.instance)
        if "headers" in self.fields and kept:
            about = f"Set: {', '.join(kept)}. Leave it empty to keep them."
            self.fields["headers"].help_text = about
        self.kept = bool(kept)

    def clean_url(self) -> str:
        """An address that may be called."""
        url = str(self.cleaned_data["url"])
        if text := refusal(url):
            raise ValidationError(text)
        return url

    def clean_mode(self) -> str:
        """The mode of what a tenant's live keys send is its own."""
        mode = str(self.cleaned_data["mode"])
        if mode not in MODES:
            raise ValidationError("This must be live or test.")
        return mode

    def clean(self) -> dict[str, Any]:
        """As the API checks it; a page sent twice makes no second webhook."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("no_headers"):
            cleaned["headers"] = {}
        headers = cleaned.get("headers")
        if self.errors:
            return cleaned
        given = {name: cleaned[name] for name in COLUMNS} | {"headers": headers or {}}
        try:
            cleaned |= validate(NewWebhook, given).model_dump(exclude={"headers"})
        except Problem as problem:
            for error in problem.errors:
                name = error.pointer.strip("/").partition("/")[0]
                self.add_error(name if name in self.fields else None, error.detail)
        if not self.errors:
            self._compare(cleaned)
        return cleaned

    def _compare(self, given: dict[str, Any]) -> None:
        if not self.instance._state.adding:
            stored = WebhookEndpoint.objects.get(pk=self.instance.pk)
            if self.kept and given["headers"] is None and moves(stored, given["url"]):
                self.add_error("headers", MOVES)
            return
        given["mode"] = own_mode(self.tenant, given["mode"])
        same = {name: given[name] for name in ("mode", "url", "description")}
        if WebhookEndpoint.objects.filter(tenant=self.tenant, **same).exists():
            self.add_error("url", "There is one already. Describe them to tell them apart.")


def own_mode(tenant: Tenant | None, mode: str) -> str:
    """What the tenant's keys of this mode send goes out as; a shadow tenant's live ones as shadow."""
    return mode if mode == "test" or tenant is None else tenant.mode


def _yesterday() -> str:
    return (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%d %H:%M")


class RecoverForm(forms.Form):
    """From when on it is told again."""

    since = forms.DateTimeField(
        label="Since",
        initial=_yesterday,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-01-31 12:00"}),
        help_text="In UTC. What was told since then and not taken, and what was never told.",
    )
