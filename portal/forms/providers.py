"""Setting up a provider: the form is made from what its driver declares."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from delivery.accounts import TEXT_CHARACTERS, check
from delivery.driver import Driver
from delivery.providers import WHITHER
from delivery.shelves import drivers
from hiram.lib.vault import SealBroken
from notifications.one_line import one_line
from portal.forms.tenant import TenantForm
from tenants.models import Provider

SETTING, SECRET = "settings", "credentials"


def field_name(group: str, name: str) -> str:
    """The form's name of a declared field."""
    return f"{group}_{name}"


def declared(group: str, driver: Driver) -> list[str]:
    """The form's names of a group's fields, in the driver's order."""
    return [field_name(group, field.name) for field in dataclasses.fields(getattr(driver, group))]


class ProviderForm(TenantForm):
    """The fields that every provider has. `driver` is set on the subclass made for each driver."""

    driver_name: ClassVar[str]

    class Meta:
        model = Provider
        fields = (
            "tenant", "name", "priority", "weight", "max_per_second", "max_in_flight", "enabled",
            "shared",
        )  # fmt: skip
        widgets = {
            "name": UnfoldAdminTextInputWidget,
            "priority": UnfoldAdminIntegerFieldWidget,
            "weight": UnfoldAdminIntegerFieldWidget,
            "max_per_second": UnfoldAdminDecimalFieldWidget,
            "max_in_flight": UnfoldAdminIntegerFieldWidget,
        }
        help_texts = {"enabled": "A disabled provider is not used; what waits for it is kept."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.driver = drivers[self.driver_name]
        self.instance.driver = self.driver_name
        self.kept = _opened(self.instance)
        for name, value in self.instance.settings.items():
            if field := self.fields.get(field_name(SETTING, name)):
                field.initial = "\n".join(value) if isinstance(value, list) else value
        for name in self.kept:
            if field := self.fields.get(field_name(SECRET, name)):
                field.required = False
                field.help_text = f"Set. Leave it empty to keep it. {field.help_text}"

    def clean(self) -> dict[str, Any]:
        """The driver accepts the fields together; secrets left empty stay as they are."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        values, given = self._given(SETTING), self._given(SECRET)
        if cleaned.get("shared") and self.tenant and not self.tenant.is_system:
            self.add_error("shared", "Only the system tenant's providers can be shared.")
        if self._moves(values) and set(self.kept) - set(given):
            self.add_error(None, "Secrets are sent to another place now: enter them again.")
        if not self.errors:
            self._check(values, self.kept | given)
        return cleaned | {SETTING: values, SECRET: given}

    def clean_name(self) -> str:
        """The name, on one line."""
        try:
            return one_line(str(self.cleaned_data["name"]))
        except ValueError as error:
            raise ValidationError(f"This {error}.") from error

    def _given(self, group: str) -> dict[str, Any]:
        found = {}
        for field in dataclasses.fields(getattr(self.driver, group)):
            value = self.cleaned_data.get(field_name(group, field.name))
            if value not in (None, "", []):
                found[field.name] = value
        return found

    def _moves(self, values: dict[str, Any]) -> bool:
        before = self.instance.settings
        return not self.instance._state.adding and any(
            before.get(name) != values.get(name) for name in WHITHER
        )

    def _check(self, settings: dict[str, Any], secrets: dict[str, Any]) -> None:
        for error in check(self.driver, settings, secrets):
            name = "_".join(error.pointer.strip("/").split("/")[:2])
            self.add_error(name if name in self.fields else None, error.detail)


def provider_form(driver_name: str) -> type[ProviderForm]:
    """The form of one driver."""
    driver = drivers[driver_name]
    fields: dict[str, Any] = {}
    for group in (SETTING, SECRET):
        types = typing.get_type_hints(getattr(driver, group))
        for field in dataclasses.fields(getattr(driver, group)):
            name = field_name(group, field.name)
            fields[name] = _field(field, types[field.name], secret=group == SECRET)
    return type("ProviderForm", (ProviderForm,), {**fields, "driver_name": driver_name})


def _field(field: dataclasses.Field[Any], kind: Any, *, secret: bool) -> forms.Field:
    about = field.metadata
    common: dict[str, Any] = {
        "label": about.get("label", field.name),
        "help_text": about.get("help", ""),
        "required": bool(about.get("required")) and kind is not bool,
    }
    if field.default is not dataclasses.MISSING and not secret:
        common["initial"] = field.default
    maker: Callable[..., forms.Field] = _MAKERS[kind]
    return maker(common, about.get("choices") or (), secret)


def _text(common: dict[str, Any], choices: tuple[str, ...], secret: bool) -> forms.Field:
    if secret:
        widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
        return forms.CharField(
            **common, widget=widget, strip=False, max_length=TEXT_CHARACTERS, empty_value=""
        )
    if choices:
        listed = [*(() if common["required"] else [("", "—")]), *((c, c) for c in choices)]
        return forms.ChoiceField(**common, choices=listed, widget=UnfoldAdminSelectWidget)
    return forms.CharField(**common, max_length=TEXT_CHARACTERS, widget=UnfoldAdminTextInputWidget)


def _number(common: dict[str, Any], choices: tuple[str, ...], secret: bool) -> forms.Field:
    return forms.IntegerField(**common, widget=UnfoldAdminIntegerFieldWidget)


def _flag(common: dict[str, Any], choices: tuple[str, ...], secret: bool) -> forms.Field:
    return forms.BooleanField(**common, widget=UnfoldBooleanSwitchWidget)


class Lines(forms.CharField):
    """A list, one a line."""

    def to_python(self, value: Any) -> Any:
        """The lines that have something on them."""
        return [
            line.strip() for line in str(super().to_python(value)).splitlines() if line.strip()
        ]


def _lines(common: dict[str, Any], choices: tuple[str, ...], secret: bool) -> forms.Field:
    common["help_text"] = f"{common['help_text']} One a line.".strip()
    if "initial" in common:
        common["initial"] = "\n".join(common["initial"])
    return Lines(**common, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))


_MAKERS: dict[Any, Any] = {str: _text, int: _number, bool: _flag, tuple[str, ...]: _lines}


def _opened(provider: Provider) -> dict[str, Any]:
    try:
        return provider.open()
    except SealBroken:
        return {}


class TestForm(forms.Form):
    """Whom a test message goes to; the channel says whether it can."""

    __test__ = False

    recipient = forms.CharField(
        max_length=320,
        widget=UnfoldAdminTextInputWidget,
        help_text="The message really goes out, through this provider.",
    )
