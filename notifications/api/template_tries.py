"""What a template says before it is sent: previews and tests."""

from __future__ import annotations

from typing import ClassVar

from django.http import HttpRequest, HttpResponse

from hiram.lib.pagination import read_parameters
from hiram.lib.problems import Problem
from hiram.lib.rest import answer, read_json, validate
from notifications.api import template_docs as docs
from notifications.api.bodies import checked
from notifications.api.endpoints import WRITE as SENDS
from notifications.api.template_shapes import PreviewAsked, TestAsked
from notifications.api.templates import READ, OfTemplates
from notifications.api.verdicts import accepted, accepted_body, idempotency_key, replayed
from notifications.catalog.preview import preview
from notifications.catalog.rendered import at_template, fields_of


class PreviewEndpoint(OfTemplates):
    """`/v1/templates/{id}/preview`."""

    scopes: ClassVar[dict[str, str]] = {"POST": READ}

    @docs.preview
    def post(self, request: HttpRequest, template_id: str) -> HttpResponse:
        """Render a version."""
        read_parameters(request)
        template = self.template(template_id)
        given: PreviewAsked = validate(PreviewAsked, read_json(request))
        made = preview(template, given.version, given.locale, given.data)
        shown = {part: made.parts.get(part) for part in ("subject", "html", "text")}
        named = {"version": made.version.number, "locale": made.locale}
        return answer({**named, **shown, "size_octets": made.size})


class SendTestEndpoint(OfTemplates):
    """`/v1/templates/{id}/send-test`."""

    scopes: ClassVar[dict[str, str]] = {"POST": SENDS}

    @docs.send_test
    def post(self, request: HttpRequest, template_id: str) -> HttpResponse:
        """Accept a notification of a version's text."""
        read_parameters(request)
        template = self.template(template_id)
        body = read_json(request)
        known = idempotency_key(request, body)
        given: TestAsked = validate(TestAsked, body)
        made = preview(template, given.version, given.locale, given.data)
        try:
            one = checked(self.owner, {
                "channel": template.channel,
                "recipient": given.recipient,
                "category": template.category,
                **fields_of(template.channel, made.parts),
            })  # fmt: skip
        except Problem as problem:
            errors = at_template(problem.errors, template.channel)
            raise Problem("invalid", errors=errors) from problem
        done = accepted(
            self.owner, [one], lambda ids: (202, accepted_body(ids[0], one)), known, batch=False
        )
        where = f"/v1/notifications/{done.body['id']}"
        return answer(done.body, done.status, {"Location": where} | replayed(done))
