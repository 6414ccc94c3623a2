"""The operations on templates as the OpenAPI document publishes them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from hiram.lib import pagination
from notifications.api.shapes import Accepted
from notifications.api.template_shapes import (
    Difference,
    PreviewAsked,
    PreviewRecord,
    Publication,
    ResetAsked,
    ResetRecord,
    Rollback,
    TemplatePage,
    TestAsked,
    VersionPage,
    VersionRecord,
    WholeTemplate,
)
from notifications.catalog.shapes import (
    CHANNELS,
    NewTemplate,
    TemplateChange,
    VersionChange,
)
from notifications.catalog.versions import VERSIONS_MOST

_TAGS = ["templates"]
_ID = OpenApiParameter(
    "template_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="`tpl_...`"
)
_WHOLE = {"type": "integer", "minimum": 0, "maximum": VERSIONS_MOST}
_NUMBER = OpenApiParameter("number", _WHOLE, OpenApiParameter.PATH, description="A version.")


def _query(name: str, about: str, schema: dict[str, Any] | None = None) -> OpenApiParameter:
    return OpenApiParameter(
        name, schema or OpenApiTypes.STR, OpenApiParameter.QUERY, description=about
    )


_PAGE = [
    _query("limit", "Rows of one page.", {
        "type": "integer", "minimum": pagination.LEAST, "maximum": pagination.MOST,
        "default": pagination.DEFAULT,
    }),
    _query("cursor", "`next_cursor` of the page before, with the same filters."),
]  # fmt: skip
_LOCATION = OpenApiParameter(
    "Location",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="Where it is.",
    response=[201],
)
_RESET = {
    "slug": "auth.password-reset",
    "channel": "email",
    "name": "Password reset",
    "category": "transactional",
    "default_locale": "en",
    "variables": {
        "type": "object",
        "required": ["reset_url"],
        "properties": {
            "reset_url": {"type": "string"},
            "user_name": {"type": "string", "default": "there"},
        },
    },
    "locales": {
        "en": {
            "subject": "Reset your password",
            "html": '<p>Hello {{ user_name }}, <a href="{{ reset_url }}">choose a new one</a>.</p>',
            "text": "Hello {{ user_name }}, choose a new one: {{ reset_url }}",
        },
        "de": {"subject": "Neues Passwort", "text": "Hallo {{ user_name }}: {{ reset_url }}"},
    },
}


def _example(name: str, value: Any) -> list[OpenApiExample]:
    return [OpenApiExample(name, value, request_only=True)]


list_ = extend_schema(
    operation_id="listTemplates",
    summary="List templates",
    description="Newest first, without their texts.",
    tags=_TAGS,
    parameters=[
        *_PAGE,
        _query("slug", "One slug, on whichever channels."),
        _query("channel", "One channel.", {"type": "string", "enum": [*CHANNELS]}),
        _query("category", "One category.", {
            "type": "string", "enum": ["transactional", "operational", "marketing"],
        }),
    ],
    responses={200: TemplatePage},
)  # fmt: skip
create = extend_schema(
    operation_id="createTemplate",
    summary="Create a template",
    description="With version 1, a draft: nothing is sent before it is published. Syntax errors"
    " are refused with line and column.",
    tags=_TAGS,
    request=NewTemplate,
    parameters=[_LOCATION],
    responses={201: OpenApiResponse(WholeTemplate, "Made.")},
    examples=_example("Password reset", _RESET),
)
get = extend_schema(
    operation_id="getTemplate",
    summary="Read a template",
    description="With the text of its published version, or of its latest draft where none is.",
    tags=_TAGS,
    parameters=[_ID],
    responses={200: WholeTemplate},
)
change = extend_schema(
    operation_id="changeTemplate",
    summary="Change a template",
    description="What is left out stays. Texts are changed by versions.",
    tags=_TAGS,
    request=TemplateChange,
    parameters=[_ID],
    responses={200: WholeTemplate},
    examples=_example(
        "Stop its sends", {"enabled": False, "disabled_reason": "Legal is looking at it."}
    ),
)
delete = extend_schema(
    operation_id="deleteTemplate",
    summary="Delete a template",
    description="With its versions. What was accepted has its text already and is delivered.",
    tags=_TAGS,
    parameters=[_ID],
    responses={204: OpenApiResponse(description="Gone.")},
)
reset = extend_schema(
    operation_id="resetTemplates",
    summary="Bring the system texts back",
    description="The text that came with Hiram becomes a new, published version; your own"
    " versions stay and can be rolled back to. Your own templates are not touched.",
    tags=_TAGS,
    request=ResetAsked,
    responses={200: ResetRecord},
    examples=_example("One", {"slug": "auth.password-reset"}),
)
list_versions = extend_schema(
    operation_id="listTemplateVersions",
    summary="List versions",
    description="Newest first.",
    tags=_TAGS,
    parameters=[_ID, *_PAGE],
    responses={200: VersionPage},
)
create_version = extend_schema(
    operation_id="createTemplateVersion",
    summary="Create a version",
    description="A draft; what is left out is that of the latest version.",
    tags=_TAGS,
    request=VersionChange,
    parameters=[_ID, _LOCATION],
    responses={201: OpenApiResponse(VersionRecord, "Made.")},
    examples=_example(
        "Another text", {"locales": {"en": {"subject": "Hello", "text": "Hello again."}}}
    ),
)
get_version = extend_schema(
    operation_id="getTemplateVersion",
    summary="Read a version",
    tags=_TAGS,
    parameters=[_ID, _NUMBER],
    responses={200: VersionRecord},
)
change_version = extend_schema(
    operation_id="changeTemplateVersion",
    summary="Change a draft",
    description="What is left out stays. 409 for a published or archived version.",
    tags=_TAGS,
    request=VersionChange,
    parameters=[_ID, _NUMBER],
    responses={200: VersionRecord},
    examples=_example("Another default", {"default_locale": "de"}),
)
publish = extend_schema(
    operation_id="publishTemplate",
    summary="Publish a version",
    description="It is sent from now on, with partials, layout and brand as they are now. The one"
    " before becomes archived.",
    tags=_TAGS,
    request=Publication,
    parameters=[_ID],
    responses={200: VersionRecord},
    examples=_example("The first", {"version": 1}),
)
rollback = extend_schema(
    operation_id="rollbackTemplate",
    summary="Publish an earlier version again",
    description="As it was when it was published.",
    tags=_TAGS,
    request=Rollback,
    parameters=[_ID],
    responses={200: VersionRecord},
    examples=_example("The one before", {}),
)
diff = extend_schema(
    operation_id="diffTemplate",
    summary="Compare two versions",
    description="Unified diffs by locale and part.",
    tags=_TAGS,
    parameters=[
        _ID,
        OpenApiParameter("from", _WHOLE, OpenApiParameter.QUERY, required=True),
        OpenApiParameter("to", _WHOLE, OpenApiParameter.QUERY, required=True),
    ],
    responses={200: Difference},
)
preview = extend_schema(
    operation_id="previewTemplate",
    summary="Preview a template",
    description="Renders any version as a send would, and sends nothing.",
    tags=_TAGS,
    request=PreviewAsked,
    parameters=[_ID],
    responses={200: PreviewRecord},
    examples=_example(
        "In German", {"version": 1, "locale": "de", "data": {"reset_url": "https://a.example/r"}}
    ),
)
send_test = extend_schema(
    operation_id="sendTestOfTemplate",
    summary="Send a test of a template",
    description="A notification like any other, of any version, in the key's mode. Needs the scope"
    " `notifications:write`.",
    tags=_TAGS,
    request=TestAsked,
    parameters=[_ID],
    responses={202: Accepted},
    examples=_example("To you", {"recipient": "you@example.com", "data": {}}),
)
