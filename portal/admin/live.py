"""The preview of what is being typed: checked as saving does, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS
from django.forms import Form
from django.http import JsonResponse, QueryDict
from django.template.defaultfilters import filesizeformat

from hiram.lib.problems import FieldError, Problem
from notifications.catalog.preview import Said, preview_text
from notifications.models import Template, TemplateVersion
from notifications.rendering import Unavailable
from portal.forms.live import LiveForm
from portal.forms.templates import TextForm, show
from portal.templatetags.portal_access import framed

BUSY = "The renderers are busy."


def live(row: Template, version: TemplateVersion, entered: QueryDict) -> JsonResponse:
    """What is said, or the findings with their fields; 503 while the renderers are busy."""
    form = TextForm(row, version, entered)
    trying = LiveForm(form.tags, data=entered)
    # Both are asked: all findings are told at once.
    good = [form.is_valid(), trying.is_valid()]
    try:
        if all(good) and form.text:
            asked = trying.cleaned_data
            made = preview_text(row, form.text, form.around, asked["locale"], asked["given"])
            return JsonResponse(_made(made, list(form.text.locales)))
    except Problem as problem:
        _place(form, trying, problem)
    except Unavailable:
        return _busy()
    if form.has_error(NON_FIELD_ERRORS, "busy"):
        return _busy()
    return JsonResponse({"findings": [*_findings(form), *_findings(trying)]})


def _made(made: Said, locales: list[str]) -> dict[str, Any]:
    parts = made.parts
    return {
        "locale": made.locale,
        "locales": locales,
        "subject": parts.get("subject"),
        # Made for a frame's `srcdoc`, with the policy before it.
        "html": framed(parts["html"]) if parts.get("html") else None,
        "text": parts.get("text"),
        "size": filesizeformat(made.size),
    }


def _busy() -> JsonResponse:
    return JsonResponse({"busy": BUSY}, status=503, headers={"Retry-After": "2"})


def _place(form: TextForm, trying: LiveForm, problem: Problem) -> None:
    for error in problem.errors or [FieldError("", problem.code, problem.detail)]:
        about_data = error.pointer.startswith("/data")
        show(trying if about_data else form, [error])


def _findings(form: Form) -> Iterator[dict[str, str]]:
    for name, errors in form.errors.items():
        about = {"field": "", "label": ""}
        if name != NON_FIELD_ERRORS:
            tag, _, _ = name.rpartition("-")
            label = str(form[name].label).partition(",")[0]
            field = form.add_prefix(name)
            about = {"field": field, "label": f"{tag}, {label}" if tag else label}
        yield from ({**about, "detail": str(error)} for error in errors)
