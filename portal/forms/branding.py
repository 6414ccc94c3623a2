"""What templates share; the rules are those of the catalog, whose findings go to their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from hiram.lib.problems import FieldError, Problem
from hiram.lib.rest import validate
from notifications.catalog import branding
from notifications.catalog.shapes import BrandGiven, PartialGiven, is_partial_name
from notifications.models import TemplatePartial
from notifications.rendering import Unavailable
from portal.forms.source import JsonText, Source
from portal.forms.templates import BUSY, show
from portal.forms.tenant import TenantForm

NAME = "Lower-case letters, digits, - and _, at most 100: footer."


def check(form: Any, tenant_id: UUID, name: str, body: str) -> None:
    """Say at the form what stands against this partial."""
    try:
        validate(PartialGiven, {"body": body})
        branding.check_partial(tenant_id, name, body)
    except Problem as problem:
        show(form, problem.errors or [FieldError("", problem.code, problem.detail)])
    except Unavailable:
        form.add_error(None, BUSY)


class PartialForm(TenantForm):
    """A new one."""

    name = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text=f"{NAME} The one named layout goes around the HTML of all e-mails.",
    )
    body = Source(
        rows=16,
        required=True,
        label="Source",
        help_text="Liquid. A layout has {{ content }} for what it goes around.",
    )

    class Meta:
        model = TemplatePartial
        fields = ("tenant", "name", "body")

    def place(self, steps: list[str]) -> str | None:
        """The field of a finding."""
        return steps[0] if steps else None

    def clean(self) -> dict[str, Any]:
        """What the catalog can keep."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors or self.tenant is None:
            return cleaned
        name = cleaned["name"]
        if not is_partial_name(name):
            self.add_error("name", NAME)
        elif branding.partials(self.tenant.pk).filter(name=name).exists():
            self.add_error("name", "There is one already.")
        else:
            check(self, self.tenant.pk, name, cleaned["body"])
        return cleaned


class BodyForm(forms.Form):
    """What one says."""

    body = Source(rows=20, required=True, label="Source", help_text="Liquid.")

    def __init__(self, row: TemplatePartial, data: Any = None) -> None:
        """With what it says, or with what was entered."""
        self.row = row
        super().__init__(data, initial={"body": row.body})

    def place(self, steps: list[str]) -> str | None:
        """The field of a finding."""
        return steps[0] if steps else None

    def clean(self) -> dict[str, Any]:
        """What the catalog can keep."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            check(self, self.row.tenant_id, self.row.name, cleaned["body"])
        return cleaned


class BrandForm(forms.Form):
    """The tenant's own variables."""

    variables = JsonText(
        rows=10,
        help_text='Words and numbers that templates see as brand.NAME: {"color": "#0a7"}.',
    )

    def __init__(self, variables: Mapping[str, Any], data: Any = None) -> None:
        """With those that there are, or with what was entered."""
        super().__init__(data, initial={"variables": dict(variables)})

    def place(self, steps: list[str]) -> str | None:
        """Every finding is about the variables."""
        return "variables"

    def clean(self) -> dict[str, Any]:
        """As the API checks them."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                validate(BrandGiven, {"variables": cleaned["variables"]})
            except Problem as problem:
                show(self, problem.errors)
        return cleaned
