"""`/v1/sender-configs`: providers and senders of a tenant's users, organisations, and of all."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import AfterValidator, StringConstraints, TypeAdapter

from delivery.api.sender_shapes import NewSenderConfig, SenderConfigPage, ShownSenderConfig
from hiram.lib import pagination, rest
from hiram.lib.pagination import paginate, read_parameters, read_query, refused
from hiram.lib.problems import FieldError, Problem
from notifications.one_line import ONE_LINE_PATTERN, one_line
from tenants.auth import TenantEndpoint
from tenants.models import Scope, SenderConfig
from tenants.sender_configs import SCOPE_ID_CHARACTERS, put, show_all

_READ, _WRITE = Scope.PROVIDERS_READ.value, Scope.PROVIDERS_WRITE.value
_TAGS = ["senders"]
_SCOPES = tuple(SenderConfig.Scope.values)
_APP = SenderConfig.Scope.APP.value

_SCOPE_ID: TypeAdapter[str] = TypeAdapter(
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=SCOPE_ID_CHARACTERS),
        AfterValidator(one_line),
    ]
)


def _path(name: str, about: str, schema: dict[str, Any]) -> OpenApiParameter:
    return OpenApiParameter(name, schema, OpenApiParameter.PATH, description=about)


_WHICH = [
    _path("scope", "Whose it is.", {"type": "string", "enum": ["user", "org"]}),
    _path(
        "scope_id",
        "Your own id of the user or organisation.",
        {
            "type": "string",
            "minLength": 1,
            "maxLength": SCOPE_ID_CHARACTERS,
            "pattern": ONE_LINE_PATTERN,
        },
    ),
]
_EXAMPLE = OpenApiExample(
    "A sender and its name",
    {"from_email": "hello@example.com", "from_name": "Acme", "locale": "de"},
    request_only=True,
)
_PUT: dict[str, Any] = {
    "description": "Replaces what was there. The nearest of user, organisation and app that has a"
    " field decides it; address and name go together.",
    "tags": _TAGS,
    "request": NewSenderConfig,
    "responses": {
        200: OpenApiResponse(ShownSenderConfig, "Replaced."),
        201: OpenApiResponse(ShownSenderConfig, "New."),
    },
    "examples": [_EXAMPLE],
}
_GONE = {204: OpenApiResponse(description="Gone.")}
_NONE = {404: OpenApiResponse(description="There is none.")}


class _SenderConfigs(TenantEndpoint):
    scopes: ClassVar[dict[str, str]] = {"GET": _READ, "PUT": _WRITE, "DELETE": _WRITE}

    @property
    def rows(self) -> QuerySet[SenderConfig]:
        """The tenant's, for keys of all modes alike."""
        return SenderConfig.objects.filter(tenant_id=self.caller.tenant_id)

    def show(self, row: SenderConfig) -> dict[str, Any]:
        """One as it is answered."""
        return show_all(self.caller.tenant_id, [row])[0]

    def read_one(self, request: HttpRequest, scope: str, scope_id: str) -> HttpResponse:
        """Show it."""
        read_parameters(request)
        row = self.rows.filter(**_known(scope, scope_id)).first()
        if row is None:
            raise Problem("not-found")
        return rest.answer(self.show(row))

    def put_one(self, request: HttpRequest, scope: str, scope_id: str) -> HttpResponse:
        """Replace it."""
        read_parameters(request)
        which = _wanted(scope, scope_id)
        given: NewSenderConfig = rest.validate(NewSenderConfig, rest.read_json(request))
        row, is_new = put(self.caller.tenant_id, given=given.model_dump(), **which)
        location = {"Location": request.get_full_path()} if is_new else {}
        return rest.answer(self.show(row), 201 if is_new else 200, location)

    def delete_one(self, request: HttpRequest, scope: str, scope_id: str) -> HttpResponse:
        """Remove it; a second time there is none."""
        read_parameters(request)
        gone, _ = self.rows.filter(**_known(scope, scope_id)).delete()
        if not gone:
            raise Problem("not-found")
        return HttpResponse(status=204)


class SenderConfigsEndpoint(_SenderConfigs):
    """`/v1/sender-configs`."""

    scopes: ClassVar[dict[str, str]] = {"GET": _READ}

    @extend_schema(
        operation_id="listSenderConfigs",
        summary="List sender configs",
        description="Newest first.",
        tags=_TAGS,
        parameters=[
            OpenApiParameter("limit", {
                "type": "integer", "minimum": pagination.LEAST, "maximum": pagination.MOST,
                "default": pagination.DEFAULT,
            }, description="Rows of one page."),
            OpenApiParameter("cursor", OpenApiTypes.STR, description="`next_cursor` of the page"
                             " before, with the same filters."),
            OpenApiParameter("scope", {"type": "string", "enum": [*_SCOPES]},
                             description="Those of one scope."),
        ],
        responses={200: SenderConfigPage},
    )  # fmt: skip
    def get(self, request: HttpRequest) -> HttpResponse:
        """One page."""
        query = read_query(request, "scope")
        if query.filters.get("scope", _APP) not in _SCOPES:
            text = f"This must be one of {', '.join(_SCOPES)}."
            raise Problem("bad-query", errors=[refused("scope", "not_an_option", text)])
        of = (self.caller.tenant, self.caller.mode, "sender-configs")
        page = paginate(self.rows.filter(**query.filters), query, scope=of)
        shown = show_all(self.caller.tenant_id, page.rows)
        return rest.answer(page.body(lambda row: row.pk) | {"data": shown})


class AppSenderConfigEndpoint(_SenderConfigs):
    """`/v1/sender-configs/app`."""

    @extend_schema(
        operation_id="getAppSenderConfig",
        summary="Read the app's sender config",
        tags=_TAGS,
        responses={200: ShownSenderConfig, **_NONE},
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """Show it."""
        return self.read_one(request, _APP, "")

    @extend_schema(
        operation_id="putAppSenderConfig", summary="Set the app's sender config", **_PUT
    )
    def put(self, request: HttpRequest) -> HttpResponse:
        """Replace it."""
        return self.put_one(request, _APP, "")

    @extend_schema(
        operation_id="deleteAppSenderConfig",
        summary="Delete the app's sender config",
        tags=_TAGS,
        responses={**_GONE, **_NONE},
    )
    def delete(self, request: HttpRequest) -> HttpResponse:
        """Remove it."""
        return self.delete_one(request, _APP, "")


class SenderConfigEndpoint(_SenderConfigs):
    """`/v1/sender-configs/{scope}/{scope_id}`."""

    @extend_schema(
        operation_id="getSenderConfig",
        summary="Read a sender config",
        tags=_TAGS,
        parameters=_WHICH,
        responses={200: ShownSenderConfig},
    )
    def get(self, request: HttpRequest, scope: str, scope_id: str) -> HttpResponse:
        """Show it."""
        return self.read_one(request, scope, scope_id)

    @extend_schema(
        operation_id="putSenderConfig",
        summary="Set a sender config",
        parameters=_WHICH,
        **_PUT,
    )
    def put(self, request: HttpRequest, scope: str, scope_id: str) -> HttpResponse:
        """Replace it."""
        return self.put_one(request, scope, scope_id)

    @extend_schema(
        operation_id="deleteSenderConfig",
        summary="Delete a sender config",
        tags=_TAGS,
        parameters=_WHICH,
        responses=_GONE,
    )
    def delete(self, request: HttpRequest, scope: str, scope_id: str) -> HttpResponse:
        """Remove it."""
        return self.delete_one(request, scope, scope_id)


def _wanted(scope: str, scope_id: str) -> dict[str, str]:
    """The row's key. Raises Problem: 404 for another scope, 422 for an id that none can have."""
    if scope not in _SCOPES or (scope == _APP and scope_id):
        raise Problem("not-found")
    if scope != _APP:
        try:
            rest.validate(_SCOPE_ID, scope_id)
        except Problem as error:
            errors = [FieldError("/scope_id", e.code, e.detail) for e in error.errors]
            raise Problem("invalid", errors=errors) from error
    return {"scope": scope, "scope_id": scope_id}


def _known(scope: str, scope_id: str) -> dict[str, str]:
    """The same, where an id that none can have is an unknown one."""
    try:
        return _wanted(scope, scope_id)
    except Problem as error:
        raise Problem("not-found") from error
