"""API keys: made, shown once, revoked; never edited."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import register
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone

from portal.access import BUILDERS, EVERYBODY
from portal.admin.columns import column, moment
from portal.admin.scoped import ScopedAdmin
from portal.admin.site import site
from portal.forms.keys import KeyForm
from tenants.auth import issue_key, revoke_key
from tenants.models import ApiKey, Tenant

STATES = {"active": "success", "expired": "warning", "revoked": "danger"}


@register(ApiKey, site=site)
class ApiKeyAdmin(ScopedAdmin):
    """A key's text exists in one response and nowhere else: no session, no message, no log."""

    who = {"view": EVERYBODY, "add": BUILDERS, "revoke": BUILDERS}
    form = KeyForm
    columns = (
        "name", "prefix", "mode", "state",
        moment("last_used_at", "last used"), moment("expires_at", "expires"),
        moment("created_at", "made"),
    )  # fmt: skip
    filters = ("mode",)
    search_fields = ("name", "prefix")
    ordering = ("-created_at",)
    list_select_related = ("tenant",)
    change_form_before_template = "portal/key_actions.html"
    fields = (
        "tenant", "name", "prefix", "mode", "shown_scopes", "state",
        "created_at", "last_used_at", "expires_at", "revoked_at",
    )  # fmt: skip
    readonly_fields = ("prefix", "shown_scopes", "state", "created_at", "last_used_at")

    @column("state", label=STATES)
    def state(self, key: ApiKey) -> str:
        """Whether the key opens anything."""
        if key.revoked_at:
            return "revoked"
        expired = key.expires_at and key.expires_at <= timezone.now()
        return "expired" if expired else "active"

    @column("scopes")
    def shown_scopes(self, key: ApiKey) -> str:
        """What the key may do."""
        return ", ".join(key.scopes)

    def get_fieldsets(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        """What is asked for a new key, and what is known of an old one."""
        if obj is not None:
            return super().get_fieldsets(request, obj)
        asked = ["tenant", "name", "mode", "scopes", "lifetime"]
        allowed = set(self.get_fields(request)) | {"scopes", "lifetime"}
        return [(None, {"fields": [name for name in asked if name in allowed]})]

    def get_urls(self) -> list[URLPattern]:
        """The admin's addresses and the revocation's."""
        return [self.page("<path:object_id>/revoke/", self.revoke, "revoke"), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What is known of a key, with its revocation for those who may."""
        key = self.get_object(request, object_id)
        can = key is not None and key.revoked_at is None and self.may(request, "revoke", key)
        shown = {**(extra_context or {}), "can_revoke": can, "title": "API key"}
        return super().change_view(request, object_id, form_url, shown)

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: ModelForm[ApiKey], change: bool
    ) -> None:
        """Issue the key; the row that the form made is only its description."""
        tenant: Tenant = obj.tenant
        if change or not self.may(request, "add", obj):
            raise PermissionDenied
        key, text = issue_key(
            tenant,
            name=obj.name,
            mode=obj.mode,
            scopes=tuple(form.cleaned_data["scopes"]),
            expires_at=form.cleaned_data.get("expires_at"),
        )
        obj.pk, obj.prefix = key.pk, key.prefix
        setattr(obj, _TEXT, text)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The one page that shows the key."""
        shown = self.context(
            request,
            "Your new API key",
            key=obj,
            text=getattr(obj, _TEXT),
            list=self.link("changelist"),
        )
        return TemplateResponse(request, "portal/key_shown.html", shown)

    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then revoke for good."""
        key: ApiKey = self.reach(request, object_id, "revoke")
        if request.method == "POST":
            revoke_key(key, at=timezone.now())
            self.log_change(request, key, "Revoked.")
            messages.success(request, f"The key {key.name} is revoked: no request passes with it.")
            return HttpResponseRedirect(self.link("changelist"))
        shown = self.context(request, "Revoke this API key?", key=key)
        return TemplateResponse(request, "portal/key_revoke.html", shown)


_TEXT = "_text_shown_once"
