"""The API's document: OpenAPI 3.1 at `/v1/openapi.json`, browsable at `/docs/` without a CDN."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.contrib.pydantic import PydanticExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from pydantic import BaseModel, Field
from pydantic.json_schema import GenerateJsonSchema
from rest_framework.request import Request
from rest_framework.response import Response

from hiram.lib.problems import EXPLAINED, MEDIA_TYPE
from hiram.lib.rest import Endpoint

_ABOUT = """
Send notifications, and see what became of each.

An answer of **202** says that the notification is committed to the database, together with the
work to be done: it will be delivered, or its record will say why not. Errors are problems
(RFC 9457); the `type` of each is a page that explains it. JSON is UTF-8, unknown fields and
parameters are refused, times are RFC 3339 in UTC. Every response carries `X-Request-Id`.
"""
_SCHEMES = {
    "ApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Api-Key",
        "description": "`hk_live_...`, or `hk_test_...`, which never reaches a real provider.",
    },
    "Bearer": {"type": "http", "scheme": "bearer", "description": "The same key."},
}
_TAGS = [
    {"name": "notifications", "description": "Send, and see what became of it."},
    {"name": "providers", "description": "The accounts that carry your messages."},
    {"name": "senders", "description": "Who messages are from, by whom they are for."},
    {"name": "handshake", "description": "Who a key is."},
]
_ALWAYS = ("400", "401", "403", "500", "503")
_WITH_BODY = ("408", "409", "413", "415", "422", "429")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class ProblemError(BaseModel):
    """What is wrong with one field or parameter."""

    pointer: str = Field(description="JSON pointer (RFC 6901).", examples=["/recipient"])
    code: str = Field(examples=["required"])
    detail: str = Field(examples=["This field is needed."])


class ProblemDocument(BaseModel):
    """A problem (RFC 9457)."""

    type: str = Field(description="A page that explains it.", json_schema_extra={"format": "uri"})
    title: str
    status: int
    detail: str
    code: str
    trace_request_id: str = Field(description="The response's X-Request-Id.")
    errors: list[ProblemError]


class _Untitled(GenerateJsonSchema):
    """A field's name is its title."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class Model(PydanticExtension):  # type: ignore[no-untyped-call]
    """Publishes a request as it is read: what has a default may be left out."""

    priority = 1

    def map_serializer(self, auto_schema: Any, direction: str) -> Any:
        """The model's schema; those inside it become components of their own."""
        schema = self.target.model_json_schema(
            ref_template="#/components/schemas/{model}",
            mode="validation" if direction == "request" else "serialization",
            schema_generator=_Untitled,
        )
        for name, inner in schema.pop("$defs", {}).items():
            component = ResolvedComponent(  # type: ignore[no-untyped-call]
                name=name, type=ResolvedComponent.SCHEMA, object=name, schema=inner
            )
            auto_schema.registry.register_on_missing(component)
        return schema


def finish(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """What every operation shares: the key, and the problems (drf-spectacular's last hook)."""
    result["info"] |= {
        "description": _ABOUT.strip(),
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    }
    result |= {"servers": [{"url": settings.PUBLIC_URL}], "tags": _TAGS}
    result["security"] = [{name: []} for name in _SCHEMES]
    components = result["components"]
    components["securitySchemes"] = _SCHEMES
    components["schemas"] |= _problem_schemas()
    components["responses"] = {f"Problem{status}": _problems(status) for status in _statuses()}
    for path, operations in result["paths"].items():
        for operation in operations.values():
            operation.pop("security", None)
            _add_problems(operation, has_id="{" in path)
    return result


def _problem_schemas() -> dict[str, Any]:
    schema = ProblemDocument.model_json_schema(
        ref_template="#/components/schemas/{model}",
        mode="serialization",
        schema_generator=_Untitled,
    )
    return {**schema.pop("$defs"), "ProblemDocument": schema}


def _statuses() -> list[str]:
    return sorted({str(status) for status, _, _ in EXPLAINED.values()})


def _problems(status: str) -> dict[str, Any]:
    found = {code: e for code, e in EXPLAINED.items() if str(e[0]) == status}
    examples = {
        code: {
            "value": {
                "type": f"{settings.PUBLIC_URL}/problems/{code}",
                "title": title,
                "status": number,
                "detail": remedy,
                "code": code,
                "trace_request_id": "rid_01a1fb6f17b57677a6292cc64bfbf3d6",
                "errors": [],
            }
        }
        for code, (number, title, remedy) in found.items()
    }
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        "description": ". ".join(title for _, title, _ in found.values()) + ".",
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }


def _add_problems(operation: dict[str, Any], *, has_id: bool) -> None:
    """Those of every operation, and those that it names itself."""
    named = (status for status in operation["responses"] if status >= "400")
    statuses = {*_ALWAYS, *(["404"] if has_id else []), "429", *named}
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
        statuses |= set(_WITH_BODY)
    for status in sorted(statuses):
        problem = {"$ref": f"#/components/responses/Problem{status}"}
        operation["responses"][status] = problem


@cache
def document() -> bytes:
    """The document, which is the same for everybody."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return json.dumps(schema, ensure_ascii=False).encode()


class DocumentEndpoint(Endpoint):
    """`/v1/openapi.json`."""

    @extend_schema(exclude=True)
    def get(self, request: HttpRequest) -> HttpResponse:
        """Serve it, without a key."""
        return HttpResponse(document(), content_type="application/json")


class Docs(SpectacularSwaggerSplitView):
    """`/docs/`: Swagger UI from the `drf_spectacular_sidecar` package; no script is inline."""

    url_name = "openapi"
    title = "Hiram API"

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The page, or with `?script` what starts it."""
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        response["Content-Security-Policy"] = POLICY
        return response
