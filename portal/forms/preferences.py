"""What a user wants to get, and when; the rules are those of the API, not repeated here."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from hiram.lib.problems import Problem
from hiram.lib.rest import validate
from notifications.api.preferences import Preferences
from notifications.models import Preference
from notifications.preferences import wants
from notifications.shelves import channel_choices, channels
from portal.forms.source import CATEGORIES
from portal.forms.templates import show

SHOWN_MOST = 100
"""Templates and channels that are on the page; any other is changed by its name."""

_ANSWERS = {"": "nothing said", "yes": "yes", "no": "no"}


class Answer(forms.TypedChoiceField):
    """Yes, no, or nothing."""

    def __init__(self, **about: Any) -> None:
        """Never needed: to say nothing is an answer."""
        super().__init__(
            choices=list(_ANSWERS.items()),
            coerce=lambda text: text == "yes",
            empty_value=None,
            required=False,
            widget=UnfoldAdminSelectWidget,
            **about,
        )


def _word(yes: bool | None) -> str:
    return "" if yes is None else "yes" if yes else "no"


def _time(label: str, example: str) -> forms.CharField:
    return forms.CharField(
        required=False,
        label=label,
        max_length=5,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": example, "autocomplete": "off"}),
    )


class PreferencesForm(forms.Form):
    """What was said, each answer to be changed or taken back, and room for one more template."""

    slug = forms.CharField(
        required=False,
        strip=True,
        label="Template",
        widget=UnfoldAdminTextInputWidget(attrs={"list": "slugs", "autocomplete": "off"}),
        help_text="The slug by which sends name it, such as auth.password-reset.",
    )
    channel = forms.ChoiceField(
        required=False, choices=channel_choices, widget=UnfoldAdminSelectWidget
    )
    answer = Answer()
    start = _time("From", "22:00")
    end = _time("To", "07:00")

    def __init__(self, said: Preference, required: Collection[str], data: Any = None) -> None:
        """For what was said."""
        self.said, self.required = said, required
        self.given: dict[str, Any] = {}
        self.places: dict[str, tuple[str, str, str]] = {}
        quiet = said.quiet_hours or {}
        super().__init__(data, initial={name: quiet.get(name, "") for name in ("start", "end")})
        for category in CATEGORIES:
            for channel in channels:
                self._add("categories", category, channel, self._means(category, channel))
        of_templates = [(s, c) for s, on in sorted(said.templates.items()) for c in sorted(on)]
        self.left_out = len(of_templates[SHOWN_MOST:])
        for slug, channel in of_templates[:SHOWN_MOST]:
            self._add("templates", slug, channel, "")

    def _add(self, kind: str, name: str, channel: str, about: str) -> None:
        said = getattr(self.said, kind).get(name, {}).get(channel)
        label = channels[channel].label if channel in channels else channel
        if kind == "templates":
            label = f"{name}, {label}"
        field = Answer(label=label, initial=_word(said), help_text=about)
        if kind == "categories" and name in self.required and said is not False:
            # A no is not offered; who sends one all the same is told the rule.
            widget: Any = field.widget
            widget.choices = [pair for pair in _ANSWERS.items() if pair[0] != "no"]
        key = f"{kind}:{name}:{channel}"
        self.fields[key], self.places[key] = field, (kind, name, channel)

    def _means(self, category: str, channel: str) -> str:
        yes = wants(self.said, category, channel, self.required)
        return "It is sent." if yes else "It is not sent."

    @property
    def categories(self) -> list[dict[str, Any]]:
        """The fields by category."""
        return [
            {
                "name": name,
                "required": name in self.required,
                "fields": self._of("categories", name),
            }
            for name in CATEGORIES
        ]

    @property
    def templates(self) -> list[forms.BoundField]:
        """The fields of the templates of which something was said."""
        return self._of("templates")

    def _of(self, kind: str, name: str | None = None) -> list[forms.BoundField]:
        places = self.places.items()
        return [self[key] for key, at in places if at[0] == kind and name in (None, at[1])]

    def place(self, steps: list[str]) -> str | None:
        """The field of a finding."""
        key = ":".join(steps)
        if key in self.fields:
            return key
        if steps[:1] == ["templates"]:
            return "slug"
        if steps[:1] == ["quiet_hours"] and steps[1:]:
            return steps[1]
        # There are windows only where there are quiet hours that may leave no room for them.
        return "start" if steps[:1] in (["quiet_hours"], ["send_windows"]) else None

    def clean(self) -> dict[str, Any]:
        """What is changed, as the API takes it, as `given`."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        given: dict[str, Any] = {}
        for key in self.changed_data:
            if key in self.places and key in cleaned:
                kind, name, channel = self.places[key]
                given.setdefault(kind, {}).setdefault(name, {})[channel] = cleaned[key]
        self._one_more(given)
        if {"start", "end"} & {*self.changed_data}:
            quiet = {name: cleaned[name] for name in ("start", "end") if cleaned.get(name)}
            given["quiet_hours"] = quiet or None
        if self.errors:
            return cleaned
        try:
            self.given = validate(Preferences, given).model_dump(exclude_unset=True)
        except Problem as problem:
            show(self, problem.errors)
        return cleaned

    def _one_more(self, given: dict[str, Any]) -> None:
        slug, yes = self.cleaned_data.get("slug"), self.cleaned_data.get("answer")
        channel = self.cleaned_data.get("channel", "")
        if not slug:
            if yes is not None:
                self.add_error("slug", "Say which template.")
            return
        if f"templates:{slug}:{channel}" in self.places:
            self.add_error("slug", "It is in the list above.")
        elif yes is None and channel not in self.said.templates.get(slug, {}):
            self.add_error("answer", "Say yes or no.")
        else:
            given.setdefault("templates", {}).setdefault(slug, {})[channel] = yes
