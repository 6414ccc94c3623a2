"""What a tenant decides for a category: empty is the default."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from hiram.lib.problems import Problem
from hiram.lib.rest import validate
from tenants.decisions import FIELDS, PolicyChange, ShownPolicy, decide
from tenants.policy import MissedRun, OnUnknown

_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)


class Steps(forms.CharField):
    """Waits in seconds, as in `4, 30, 120`."""

    def to_python(self, value: Any) -> Any:
        """The numbers; None where there is nothing."""
        words = re.split(r"[,\s]+", str(super().to_python(value)).strip(" ,"))
        if words == [""]:
            return None
        if not all(map(_WHOLE.fullmatch, words)):
            raise ValidationError("Whole seconds with commas between them, such as 4, 30, 120.")
        return [int(word) for word in words]

    def prepare_value(self, value: Any) -> Any:
        """The numbers as they are entered."""
        return ", ".join(map(str, value)) if isinstance(value, list) else value


class YesOrDefault(forms.TypedChoiceField):
    """What is so, or as by default."""

    def __init__(self, **about: Any) -> None:
        """Never needed: not to decide is a decision."""
        super().__init__(
            choices=[("", "default"), ("yes", "yes")],
            coerce=lambda text: text == "yes",
            empty_value=None,
            required=False,
            widget=UnfoldAdminSelectWidget,
            **about,
        )

    def prepare_value(self, value: Any) -> Any:
        """In words."""
        return ("no", "yes")[value] if isinstance(value, bool) else value


def _one_of(kind: type[OnUnknown] | type[MissedRun], label: str, about: str) -> forms.ChoiceField:
    choices = [("", "default"), *((one.value, one.value) for one in kind)]
    return forms.ChoiceField(
        choices=choices,
        required=False,
        label=label,
        help_text=about,
        widget=UnfoldAdminSelectWidget,
    )


def _seconds(label: str, about: str) -> forms.IntegerField:
    return forms.IntegerField(
        required=False, label=label, help_text=about, widget=UnfoldAdminIntegerFieldWidget
    )


class PolicyForm(forms.Form):
    """One category's; the rules are those of `tenants.decisions`, not repeated here."""

    retry_steps_seconds = Steps(
        max_length=400,
        required=False,
        label="Waits between tries",
        help_text="In seconds, such as 4, 30, 120. The last one repeats.",
        widget=UnfoldAdminTextInputWidget,
    )
    ttl_seconds = _seconds("Time to live", "In seconds; a notification may say otherwise.")
    on_unknown = _one_of(OnUnknown, "After a lost answer", "The provider may have taken it.")
    missed_run = _one_of(MissedRun, "After a missed time", "Hiram was not there at scheduled_at.")
    send_within_seconds = _seconds(
        "Still sent within", "In seconds, and only with send_within_seconds."
    )
    retain_seconds = _seconds(
        "Bodies kept", "In seconds after the end; 0 erases them right after delivery."
    )
    required = YesOrDefault(label="Required", help_text="Nobody can opt out; not for marketing.")

    def __init__(self, shown: ShownPolicy, data: Any = None) -> None:
        """For the rules that hold now."""
        self.shown, self.default = shown, ShownPolicy.of(shown.category, {})
        decided = {name: getattr(shown, name) for name in shown.decided}
        super().__init__(data, initial=decided, prefix=shown.category)
        for name in FIELDS:
            holds = self.fields[name].prepare_value(getattr(self.default, name))
            self.fields[name].widget.attrs["placeholder"] = "" if holds is None else str(holds)

    @property
    def rules(self) -> list[dict[str, Any]]:
        """What holds, with whether the tenant has decided it."""
        return [
            {
                "field": self[name],
                "holds": self.fields[name].prepare_value(getattr(self.shown, name)),
                "own": name in self.shown.decided,
            }
            for name in FIELDS
        ]

    def decide(self, tenant_id: UUID) -> bool:
        """Change the rules; whether it could be done, the errors being at the fields."""
        entered = ((name, self.cleaned_data[name]) for name in FIELDS)
        given = {name: None if value == "" else value for name, value in entered}
        try:
            decide(tenant_id, self.shown.category, validate(PolicyChange, given))
        except Problem as problem:
            for error in problem.errors:
                self.add_error(_field(error.pointer), error.detail)
            return False
        return True


def _field(pointer: str) -> str | None:
    name = pointer.strip("/").partition("/")[0]
    return name if name in FIELDS else None
