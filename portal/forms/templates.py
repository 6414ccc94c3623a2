"""Writing templates: the rules are those of the catalog, whose findings go to their fields."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from hiram.lib.locales import LOCALE_CHARACTERS, locale
from hiram.lib.problems import FieldError, Problem
from hiram.lib.rest import validate
from notifications.catalog import versions, working
from notifications.catalog.shapes import (
    CHANNELS,
    LOCALES_MOST,
    NewTemplate,
    TemplateChange,
    VersionChange,
    dumped,
)
from notifications.catalog.text import Text
from notifications.catalog.working import Surroundings
from notifications.models import Template, TemplateVersion
from notifications.rendering import Unavailable
from portal.forms.source import CATEGORIES, JsonText, part_field
from portal.forms.tenant import TenantForm

PARTS = {"email": ("subject", "html", "mjml", "text"), "sms": ("text",)}
NEW = "new"
BUSY = "The renderers are busy. Nothing was saved: try again."
EDITOR = forms.Script("portal/editor.js", type="module")
"""Colours while typing, and the live preview; the forms do without."""


def check(
    form: forms.BaseForm,
    model: Any,
    given: dict[str, Any],
    template: Template,
    around: Surroundings,
) -> Text | None:
    """The text as the catalog takes it; None where something is wrong, which is said.

    The form's `place` says which field a finding belongs to.
    """
    try:
        found = validate(model, given)
        text = Text(found.variables, found.default_locale, dumped(found.locales))
        versions.check(template.channel, text, around, owner=str(template.tenant_id))
    except Problem as problem:
        show(form, problem.errors or [FieldError("", problem.code, problem.detail)])
        return None
    except Unavailable:
        form.add_error(None, ValidationError(BUSY, code="busy"))
        return None
    return text


def show(form: Any, errors: Iterable[FieldError]) -> None:
    """Each finding at its field, else above all of them."""
    for error in errors:
        steps = error.pointer.split("/")[1:]
        name = form.place(steps)
        where = f"{'/'.join(steps[1:])}: " if steps[:1] == ["variables"] and steps[1:] else ""
        if name not in form.fields:
            name, where = None, f"{', '.join(steps)}: " if steps else ""
        form.add_error(name, f"{where}{error.detail}")


class TextForm(forms.Form):
    """A version's text in all its locales, and room for one more."""

    default_locale = forms.CharField(
        max_length=LOCALE_CHARACTERS,
        widget=UnfoldAdminTextInputWidget,
        help_text="What is sent to whom no other locale fits.",
    )
    variables = JsonText(
        rows=8,
        help_text="A JSON Schema of type object: what is required, types, defaults.",
    )

    class Media:
        js = (EDITOR,)

    def __init__(self, template: Template, version: TemplateVersion, data: Any = None) -> None:
        """With the version's text, or with what was entered."""
        self.template = template
        self.text: Text | None = None
        self.parts = PARTS[template.channel]
        own = versions.text_of(version)
        self.tags = list(own.locales) if data is None else _tags(data.getlist("locale"))
        initial: dict[str, Any] = {
            "default_locale": own.default_locale, "variables": dict(own.variables),
        }  # fmt: skip
        for tag, parts in own.locales.items():
            initial |= {f"{tag}-{part}": text for part, text in parts.items()}
        super().__init__(data, initial=initial)
        for tag in self.tags:
            self._add(tag)
            self.fields[f"{tag}-remove"] = forms.BooleanField(
                required=False, label=f"Remove {tag}", widget=UnfoldBooleanSwitchWidget
            )
        self.fields[f"{NEW}-locale"] = forms.CharField(
            required=False,
            max_length=LOCALE_CHARACTERS,
            label="Language tag",
            widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "de-AT"}),
        )
        self._add(NEW)

    def _add(self, prefix: str) -> None:
        for part in self.parts:
            self.fields[f"{prefix}-{part}"] = part_field(part)

    @property
    def sections(self) -> list[dict[str, Any]]:
        """The fields by locale, with whether they are shown at once."""
        default = self.initial["default_locale"]
        found = []
        for tag in [*self.tags, NEW]:
            last = f"{NEW}-locale" if tag == NEW else f"{tag}-remove"
            names = [*(f"{tag}-{part}" for part in self.parts), last]
            if tag == NEW:
                names = [names[-1], *names[:-1]]
            wrong = any(name in self.errors for name in names) if self.is_bound else False
            title = "Another locale" if tag == NEW else tag
            shown = {"tag": tag, "title": title, "open": wrong or tag == default}
            found.append(shown | {"fields": [self[name] for name in names]})
        return found

    def place(self, steps: list[str]) -> str | None:
        """The field of a finding."""
        if steps[:1] != ["locales"] or len(steps) < 2:
            return steps[0] if steps else None
        prefix = steps[1] if steps[1] in self.tags else NEW
        return f"{prefix}-{steps[2] if len(steps) > 2 else self.parts[0]}"

    def clean(self) -> dict[str, Any]:
        """What the catalog can keep, as `text`."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        locales = {
            tag: self._entered(tag) for tag in self.tags if not cleaned.get(f"{tag}-remove")
        }
        self._one_more(locales)
        if not self.errors:
            names = ("default_locale", "variables")
            given = {name: cleaned[name] for name in names} | {"locales": locales}
            self.text = check(self, VersionChange, given, self.template, self.around)
        return cleaned

    @cached_property
    def around(self) -> Surroundings:
        """What the text may name besides itself."""
        return working.surroundings(self.template.tenant_id)

    def _entered(self, prefix: str) -> dict[str, str]:
        entered = ((part, self.cleaned_data.get(f"{prefix}-{part}")) for part in self.parts)
        return {part: text for part, text in entered if text}

    def _one_more(self, locales: dict[str, dict[str, str]]) -> None:
        tag, parts = self.cleaned_data.get(f"{NEW}-locale"), self._entered(NEW)
        if not tag:
            if parts:
                self.add_error(f"{NEW}-locale", "Say in which locale this is.")
            return
        try:
            tag = locale(tag)
        except ValueError as error:
            self.add_error(f"{NEW}-locale", f"This {error}.")
            return
        if tag in self.tags:
            self.add_error(f"{NEW}-locale", "There is this locale already.")
        locales[tag] = parts


def _tags(given: Iterable[str]) -> list[str]:
    """The locales that a form says it has; what is no tag was not made by our page."""
    found: dict[str, None] = {}
    for tag in given:
        try:
            found[locale(tag)] = None
        except ValueError:
            continue
    return list(found)[:LOCALES_MOST]


class TemplateForm(TenantForm):
    """A new template, with its first draft in one locale."""

    channel = forms.ChoiceField(
        choices=[(name, name) for name in CHANNELS], widget=UnfoldAdminSelectWidget
    )
    category = forms.ChoiceField(
        choices=[(name, name) for name in CATEGORIES], widget=UnfoldAdminSelectWidget
    )
    default_locale = forms.CharField(
        initial="en",
        max_length=LOCALE_CHARACTERS,
        widget=UnfoldAdminTextInputWidget,
        help_text="Of the text below; others can be added to the draft.",
    )
    subject = part_field("subject")
    html = part_field("html")
    text = part_field("text")
    variables = JsonText(
        rows=8, help_text="A JSON Schema of type object: what is required, types, defaults."
    )

    class Media:
        js = (EDITOR,)

    class Meta:
        model = Template
        fields = ("tenant", "slug", "channel", "name", "category")
        widgets = {"slug": UnfoldAdminTextInputWidget, "name": UnfoldAdminTextInputWidget}
        help_texts = {
            "slug": "By which sends name it, such as auth.password-reset.",
            "name": "For people.",
        }

    written: Text | None = None

    def place(self, steps: list[str]) -> str | None:
        """The field of a finding."""
        return (steps[2] if len(steps) > 2 else "text") if steps[:1] == ["locales"] else steps[0]

    def clean(self) -> dict[str, Any]:
        """What the catalog can keep, as `written`."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors or self.tenant is None:
            return cleaned
        columns = {name: cleaned[name] for name in ("slug", "channel", "name", "category")}
        same = {name: columns[name] for name in ("slug", "channel")}
        if Template.objects.filter(tenant=self.tenant, **same).exists():
            self.add_error("slug", "There is one already on this channel.")
            return cleaned
        parts = {part: cleaned[part] for part in ("subject", "html", "text") if cleaned[part]}
        given = columns | {
            "default_locale": cleaned["default_locale"],
            "variables": cleaned["variables"],
            "locales": {cleaned["default_locale"]: parts},
        }
        template = Template(tenant_id=self.tenant.pk, channel=cleaned["channel"])
        around = working.surroundings(self.tenant.pk)
        self.written = check(self, NewTemplate, given, template, around)
        return cleaned


class PreviewForm(forms.Form):
    """In which locale, and with what."""

    locale = forms.ChoiceField(required=False, widget=UnfoldAdminSelectWidget)
    given = JsonText(
        rows=8, label="Data", help_text="Values of the variables, as a send gives them."
    )

    def __init__(self, version: TemplateVersion, data: Any) -> None:
        """For the version's locales."""
        super().__init__(data)
        locale: Any = self.fields["locale"]
        locale.choices = [("", "as for the tenant"), *((tag, tag) for tag in version.locales)]

    def place(self, steps: list[str]) -> str | None:
        """Every finding is about the data, but those of the text."""
        return "given" if steps[:1] == ["data"] else None


class DisableForm(forms.Form):
    """Why what is sent by it is refused."""

    reason = forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="What those who send by it are told.",
    )

    def clean_reason(self) -> str:
        """As the API takes it."""
        reason = str(self.cleaned_data["reason"])
        try:
            validate(TemplateChange, {"disabled_reason": reason})
        except Problem as problem:
            raise ValidationError([error.detail for error in problem.errors]) from problem
        return reason
