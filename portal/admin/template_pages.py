"""What is done with a template besides looking: written, tried, compared, published, switched off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.forms import Form
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern

from hiram.lib.problems import FieldError, Problem
from notifications.catalog import templates, versions
from notifications.catalog.diff import diff
from notifications.catalog.preview import preview
from notifications.catalog.publish import publish, rollback
from notifications.catalog.text import Text
from notifications.models import Template, TemplateVersion
from notifications.rendering import Unavailable
from portal.admin.live import live
from portal.admin.scoped import ScopedAdmin
from portal.forms.live import LiveForm
from portal.forms.source import written
from portal.forms.templates import BUSY, DisableForm, PreviewForm, TextForm, show
from portal.queries.templates import lines, mark, sample

State = TemplateVersion.State
CHANGED = "It was changed meanwhile: look at it again. Nothing was done."


class TemplatePages(ScopedAdmin):
    """Every page is below one template, and names a version by its number in the query."""

    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and ours."""
        pages: dict[str, Callable[..., HttpResponse]] = {
            "edit": self.edit, "live": self.live, "preview": self.preview, "diff": self.diff,
            "publish": self.publish, "rollback": self.rollback,
            "disable": self.disable, "enable": self.enable,
        }  # fmt: skip
        own = [self.page(f"<path:object_id>/{name}/", view, name) for name, view in pages.items()]
        return [*own, *super().get_urls()]

    # --- Writing -------------------------------------------------------------------------------
    def edit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change a draft; of what is none any more, make another draft."""
        row: Template = self.reach(request, object_id, "edit")
        version = self.asked(request, row) or versions.latest(row)
        seen = mark(versions.text_of(version))
        is_draft = version.state == State.DRAFT
        form = TextForm(row, version, request.POST if request.method == "POST" else None)
        if form.is_valid() and (text := form.text):
            if is_draft and request.POST.get("seen") != seen:
                form.add_error(None, "Somebody else has changed this draft meanwhile.")
            elif (done := _kept(form, row, version, text)) is not None:
                self.log_change(request, row, f"Wrote version {done.number}.")
                messages.success(request, f"Draft {done.number} is saved.")
                page = "preview" if "preview" in request.POST else "change"
                return self.to(row, page, done.number)
        title = (
            f"Draft {version.number}" if is_draft else f"New draft from version {version.number}"
        )
        shown = self.context(
            request, f"{title} of {row.slug}", row=row, version=version, form=form, seen=seen,
            is_draft=is_draft, trying=LiveForm(form.tags, _made_up(version)),
        )  # fmt: skip
        return TemplateResponse(request, "portal/template_edit.html", shown)

    def live(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the editor's form would say if it was saved, which it is not."""
        row: Template = self.reach(request, object_id, "edit")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return live(row, self.asked(request, row) or versions.latest(row), request.POST)

    # --- Looking -------------------------------------------------------------------------------
    def preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What a version says, with the data entered, else with made-up ones."""
        row: Template = self.reach(request, object_id, "view")
        version = self.asked(request, row) or versions.published(row) or versions.latest(row)
        form = PreviewForm(
            version, request.POST if request.method == "POST" else _made_up(version)
        )
        made = None
        if form.is_valid():
            given = form.cleaned_data
            try:
                made = preview(row, version.number, given["locale"] or None, given["given"])
            except Problem as problem:
                show(form, problem.errors or [FieldError("", problem.code, problem.detail)])
            except Unavailable:
                form.add_error(None, BUSY)
        shown = self.context(
            request, f"Version {version.number} of {row.slug}", row=row, version=version,
            form=form, made=made, can_edit=self.may(request, "edit", row),
        )  # fmt: skip
        return TemplateResponse(request, "portal/template_preview.html", shown)

    def diff(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What one version says otherwise than another."""
        row: Template = self.reach(request, object_id, "view")
        new = self.asked(request, row, "to") or versions.latest(row)
        old = self.asked(request, row, "from") or versions.published(row) or new
        told = diff(versions.text_of(old), versions.text_of(new))
        found = [(name, told[name]) for name in ("default_locale", "variables") if told[name]]
        for locale, parts in told["locales"].items():
            found += [(f"{locale}: {part}", text) for part, text in parts.items()]
        shown = self.context(
            request, f"Versions of {row.slug}", row=row, old=old, new=new,
            found=[(name.replace("_", " "), list(lines(text))) for name, text in found],
        )  # fmt: skip
        return TemplateResponse(request, "portal/template_diff.html", shown)

    # --- What is sent ----------------------------------------------------------------------------
    def publish(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then send by this draft from now on."""
        row: Template = self.reach(request, object_id, "publish")
        version = self.asked(request, row) or versions.latest(row)
        seen = mark(versions.text_of(version))
        means = "From now on what names this template says this. It never changes again."
        if version.state != State.DRAFT:
            means = f"Version {version.number} is {version.state}: only a draft is published."
            return self._ask(request, row, "Publish", means, can=False)
        if request.method == "POST" and request.POST.get("seen") != seen:
            return self._ask(request, row, "Publish", means, [CHANGED], seen=seen)
        if request.method == "POST":
            label = f"Published version {version.number}."
            done = self._done(request, row, label, lambda: publish(row, version.number))
            return done or self.to(row, "change", version.number)
        return self._ask(
            request, row, f"Publish version {version.number}", means, seen=seen, version=version
        )

    def rollback(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then send again by what was sent before."""
        row: Template = self.reach(request, object_id, "rollback")
        version = self.asked(request, row)
        if version is None or version.state != State.ARCHIVED:
            means = "Choose an archived version: only what was published once comes back."
            return self._ask(request, row, "Roll back", means, can=False)
        label = f"Roll back to version {version.number}"
        if request.method == "POST":
            said = f"Rolled back to version {version.number}."
            done = self._done(request, row, said, lambda: rollback(row, version.number))
            return done or self.to(row, "change", version.number)
        means = "From now on what names this template says again what it said then."
        return self._ask(request, row, label, means, version=version)

    def disable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why, then refuse what is sent by it."""
        row: Template = self.reach(request, object_id, "disable")
        form = DisableForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            values = {"enabled": False, "disabled_reason": form.cleaned_data["reason"]}
            done = self._done(request, row, "Disabled.", lambda: templates.change(row, values))
            return done or self.to(row, "change")
        means = "What names it is refused with the reason. What was accepted is still sent."
        return self._ask(request, row, "Disable", means, form=form)

    def enable(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then take what is sent by it again."""
        row: Template = self.reach(request, object_id, "enable")
        if request.method == "POST":
            change = {"enabled": True}
            done = self._done(request, row, "Enabled.", lambda: templates.change(row, change))
            return done or self.to(row, "change")
        return self._ask(request, row, "Enable", "What names it is accepted again.")

    # --- Shared ----------------------------------------------------------------------------------
    def asked(
        self, request: HttpRequest, row: Template, name: str = "version"
    ) -> TemplateVersion | None:
        """The version that the query names, if it names one.

        Raises:
            Http404: there is none.
        """
        text = request.GET.get(name, "")
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise Http404
        try:
            return versions.numbered(row, int(text))
        except Problem as problem:
            raise Http404 from problem

    def to(self, row: Template, page: str, number: int | None = None) -> HttpResponse:
        """On to a page of this template."""
        query = "" if number is None else f"?version={number}"
        return HttpResponseRedirect(f"{self.link(page, row.pk)}{query}")

    def _done(
        self, request: HttpRequest, row: Template, label: str, act: Callable[[], object]
    ) -> HttpResponse | None:
        """Do it and say so; a page where it could not be done."""
        try:
            act()
        except Problem as problem:
            said = [_told(error) for error in problem.errors]
            return self._ask(request, row, "Not done", problem.detail, said, can=False)
        except Unavailable:
            return self._ask(request, row, "Not done", BUSY, can=False)
        self.log_change(request, row, label)
        messages.success(request, label)
        return None

    def _ask(
        self, request: HttpRequest, row: Template, label: str, means: str,
        errors: list[str] | None = None, **more: Any,
    ) -> HttpResponse:  # fmt: skip
        if request.method not in ("GET", "HEAD", "POST"):
            raise BadRequest
        values = {"can": True, "seen": "", "form": Form(), **more}
        shown = self.context(
            request, f"{label}{'?' if values['can'] else ''}", row=row, label=label,
            means=means, errors=errors or [], **values,
        )  # fmt: skip
        return TemplateResponse(request, "portal/template_ask.html", shown)


def _made_up(version: TemplateVersion) -> dict[str, str]:
    """To try a version with before anybody has entered anything."""
    return {"locale": version.default_locale, "given": written(sample(version.variables))}


def _kept(
    form: TextForm, row: Template, version: TemplateVersion, text: Text
) -> TemplateVersion | None:
    """The draft with this text, changed or new; None where it cannot be, which is said."""
    try:
        if version.state == State.DRAFT:
            return versions.change(version, text)
        return versions.draft(row, text)
    except Problem as problem:
        form.add_error(None, problem.detail)
        return None


def _told(error: FieldError) -> str:
    """A finding, with where it is."""
    steps = error.pointer.split("/")[1:]
    where = ", ".join(steps[1:] if steps[:1] == ["locales"] else steps)
    return f"{where}: {error.detail}" if where else error.detail
