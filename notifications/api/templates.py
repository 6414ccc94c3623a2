"""`/v1/templates`: what a tenant says, in versions."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from hiram.lib import ids
from hiram.lib.pagination import paginate, read_parameters, read_query, refused
from hiram.lib.problems import Problem
from hiram.lib.rest import answer, read_json, validate
from notifications.api import template_docs as docs
from notifications.api.endpoints import OfCaller
from notifications.api.template_shapes import Publication, ResetAsked, Rollback
from notifications.catalog import templates, versions, working
from notifications.catalog.diff import diff
from notifications.catalog.publish import publish, rollback
from notifications.catalog.record import listed, show, show_version, show_whole
from notifications.catalog.seeds import reset
from notifications.catalog.shapes import (
    CHANNELS,
    NewTemplate,
    TemplateChange,
    VersionChange,
    dumped,
)
from notifications.catalog.text import Text, changed
from notifications.models import Template, TemplateVersion
from notifications.rendering import Unavailable
from tenants.models import Scope

READ, WRITE = Scope.TEMPLATES_READ.value, Scope.TEMPLATES_WRITE.value
_CATEGORIES = ("transactional", "operational", "marketing")


class OfTemplates(OfCaller):
    """What a key of these scopes may do; templates are the tenant's in all modes."""

    scopes: ClassVar[dict[str, str]] = {
        "GET": READ, "POST": WRITE, "PUT": WRITE, "PATCH": WRITE, "DELETE": WRITE,
    }  # fmt: skip

    @property
    def templates(self) -> QuerySet[Template]:
        """The tenant's."""
        return Template.objects.filter(tenant_id=self.caller.tenant_id)

    def template(self, shown: str) -> Template:
        """The template of this public id.

        Raises:
            Problem: 404 for what is not this tenant's.
        """
        try:
            found = self.templates.filter(pk=ids.parse("tpl", shown)).first()
        except ids.MalformedId:
            found = None
        if found is None:
            raise Problem("not-found")
        return found

    def _answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super()._answer(request, *args, **kwargs)
        except Unavailable as error:
            raise Problem("busy", headers={"Retry-After": "1"}) from error


class TemplatesEndpoint(OfTemplates):
    """`/v1/templates`."""

    @docs.list_
    def get(self, request: HttpRequest) -> HttpResponse:
        """List, newest first."""
        query = read_query(request, "slug", "channel", "category")
        options = {"channel": CHANNELS, "category": _CATEGORIES}
        errors = [
            refused(name, "not_an_option", f"This must be one of {', '.join(allowed)}.")
            for name, allowed in options.items()
            if query.filters.get(name, allowed[0]) not in allowed
        ]
        if errors:
            raise Problem("bad-query", errors=errors)
        rows = listed(self.templates.filter(**query.filters))
        scope = (self.caller.tenant, "templates")
        return answer(paginate(rows, query, scope=scope).body(show))

    @docs.create
    def post(self, request: HttpRequest) -> HttpResponse:
        """Make one, with its first draft."""
        read_parameters(request)
        given: NewTemplate = validate(NewTemplate, read_json(request))
        fields = {
            "slug": given.slug,
            "channel": given.channel,
            "name": given.name or given.slug,
            "category": given.category,
        }
        text = Text(given.variables, given.default_locale, dumped(given.locales))
        shown = show_whole(*templates.create(self.caller.tenant_id, fields, text))
        return answer(shown, 201, {"Location": f"/v1/templates/{shown['id']}"})


class TemplateEndpoint(OfTemplates):
    """`/v1/templates/{id}`."""

    @docs.get
    def get(self, request: HttpRequest, template_id: str) -> HttpResponse:
        """Show it."""
        read_parameters(request)
        return answer(show_whole(self.template(template_id)))

    @docs.change
    def patch(self, request: HttpRequest, template_id: str) -> HttpResponse:
        """Change what is not its text."""
        read_parameters(request)
        template = self.template(template_id)
        given: TemplateChange = validate(TemplateChange, read_json(request))
        return answer(show_whole(templates.change(template, given.model_dump(exclude_unset=True))))

    @docs.delete
    def delete(self, request: HttpRequest, template_id: str) -> HttpResponse:
        """Remove it."""
        read_parameters(request)
        templates.delete(self.template(template_id))
        return HttpResponse(status=204)


class ResetEndpoint(OfTemplates):
    """`/v1/templates/reset`."""

    @docs.reset
    def post(self, request: HttpRequest) -> HttpResponse:
        """Bring system texts back."""
        read_parameters(request)
        given: ResetAsked = validate(ResetAsked, read_json(request))
        done = [row.pk for row in reset(self.caller.tenant_id, given.slug)]
        rows = listed(self.templates.filter(pk__in=done)).order_by("slug", "channel")
        return answer({"data": [show(row) for row in rows]})


class VersionsEndpoint(OfTemplates):
    """`/v1/templates/{id}/versions`."""

    @docs.list_versions
    def get(self, request: HttpRequest, template_id: str) -> HttpResponse:
        """List, newest first."""
        query = read_query(request)
        template = self.template(template_id)
        rows = TemplateVersion.objects.filter(tenant_id=template.tenant_id, template=template)
        page = paginate(rows, query, scope=(str(template.pk), "versions"))
        return answer(page.body(show_version))

    @docs.create_version
    def post(self, request: HttpRequest, template_id: str) -> HttpResponse:
        """Make a draft."""
        read_parameters(request)
        template = self.template(template_id)
        given: VersionChange = validate(VersionChange, read_json(request))
        text = changed(versions.text_of(versions.latest(template)), _columns(given))
        _check(template, text)
        made = versions.draft(template, text)
        where = f"/v1/templates/{template_id}/versions/{made.number}"
        return answer(show_version(made), 201, {"Location": where})


class VersionEndpoint(OfTemplates):
    """`/v1/templates/{id}/versions/{number}`."""

    @docs.get_version
    def get(self, request: HttpRequest, template_id: str, number: str) -> HttpResponse:
        """Show it."""
        read_parameters(request)
        return answer(show_version(_version(self.template(template_id), number)))

    @docs.change_version
    def patch(self, request: HttpRequest, template_id: str, number: str) -> HttpResponse:
        """Change a draft."""
        read_parameters(request)
        template = self.template(template_id)
        version = _version(template, number)
        given: VersionChange = validate(VersionChange, read_json(request))
        if version.state != TemplateVersion.State.DRAFT:
            raise Problem("conflict", "Only a draft can be changed; make a new version.")
        text = changed(versions.text_of(version), _columns(given))
        _check(template, text)
        return answer(show_version(versions.change(version, text)))


class PublishEndpoint(OfTemplates):
    """`/v1/templates/{id}/publish`."""

    @docs.publish
    def post(self, request: HttpRequest, template_id: str) -> HttpResponse:
        """Publish a draft."""
        read_parameters(request)
        template = self.template(template_id)
        given: Publication = validate(Publication, read_json(request))
        return answer(show_version(publish(template, given.version)))


class RollbackEndpoint(OfTemplates):
    """`/v1/templates/{id}/rollback`."""

    @docs.rollback
    def post(self, request: HttpRequest, template_id: str) -> HttpResponse:
        """Publish an earlier version again."""
        read_parameters(request)
        template = self.template(template_id)
        given: Rollback = validate(Rollback, read_json(request))
        return answer(show_version(rollback(template, given.version)))


class DiffEndpoint(OfTemplates):
    """`/v1/templates/{id}/diff`."""

    @docs.diff
    def get(self, request: HttpRequest, template_id: str) -> HttpResponse:
        """Compare two versions."""
        asked = read_parameters(request, "from", "to")
        template = self.template(template_id)
        text = "This must be the number of a version."
        errors = [
            refused(name, "invalid" if name in asked else "required", text)
            for name in ("from", "to")
            if _number(asked.get(name, "")) is None
        ]
        if errors:
            raise Problem("bad-query", errors=errors)
        old, new = (_version(template, asked[name]) for name in ("from", "to"))
        told = diff(versions.text_of(old), versions.text_of(new))
        return answer({"from": old.number, "to": new.number, **told})


def _check(template: Template, text: Text) -> None:
    around = working.surroundings(template.tenant_id)
    versions.check(template.channel, text, around, owner=str(template.tenant_id))


def _columns(given: VersionChange) -> dict[str, Any]:
    columns = given.model_dump(exclude_unset=True, exclude={"locales"})
    if "locales" in given.model_fields_set:
        columns["locales"] = dumped(given.locales)
    return columns


def _number(text: str) -> int | None:
    is_number = (
        text.isascii() and text.isdecimal() and len(text) < 10 and not (text[0] == "0" < text)
    )
    return int(text) if is_number else None


def _version(template: Template, text: str) -> TemplateVersion:
    number = _number(text)
    if number is None:
        raise Problem("not-found")
    return versions.numbered(template, number)
