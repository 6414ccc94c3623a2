"""Fields for the sources of templates and for JSON, shared by the forms that ask for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from hiram.lib.strict_json import Malformed, loads

CATEGORIES = ("transactional", "operational", "marketing")
LABELS = {"subject": "Subject", "html": "HTML", "mjml": "MJML, instead of HTML", "text": "Text"}


class Source(forms.CharField):
    """Liquid, with the line breaks of every other client and none taken off."""

    def __init__(
        self, rows: int = 10, attrs: Mapping[str, str] | None = None, **about: Any
    ) -> None:
        """Never needed by itself: what a locale needs is the catalog's to say."""
        base = {"rows": rows, "spellcheck": "false", "class": "hiram-source"}
        widget = UnfoldAdminTextareaWidget(attrs={**base, **(attrs or {})})
        super().__init__(**({"required": False, "strip": False, "widget": widget} | about))

    def to_python(self, value: Any) -> Any:
        """As it would come by the API."""
        return str(super().to_python(value)).replace("\r\n", "\n")


class JsonText(Source):
    """A JSON object; empty is one without anything in it."""

    def to_python(self, value: Any) -> Any:
        """The object."""
        text = super().to_python(value)
        try:
            found = loads(text.encode()) if text.strip() else {}
        except Malformed as error:
            raise ValidationError(f"{str(error).replace('the body', 'This')}.") from error
        if not isinstance(found, dict):
            raise ValidationError("This must be an object: {…}.")
        return found

    def prepare_value(self, value: Any) -> Any:
        """The object as it is written."""
        return written(value) if isinstance(value, dict) else value


def written(value: Mapping[str, Any]) -> str:
    """An object as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def part_field(part: str) -> forms.Field:
    """The field of one part."""
    if part == "subject":
        return forms.CharField(
            required=False, strip=False, label=LABELS[part], widget=UnfoldAdminTextInputWidget
        )
    rows = {"html": 12, "mjml": 4}.get(part, 6)
    # What is Liquid gets colours, from editor.js.
    return Source(rows, {"data-source": "liquid"}, label=LABELS[part])
