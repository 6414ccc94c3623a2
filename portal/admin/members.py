"""Members and their invitations."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin import register
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from portal.access import EVERYBODY, MANAGERS, OWNERS, access_of
from portal.admin.columns import column, moment
from portal.admin.scoped import ScopedAdmin
from portal.admin.site import site
from portal.forms.members import (
    OWNER_NEEDED,
    InviteForm,
    MemberForm,
    is_last_owner,
    lock,
)
from portal.invites import invite
from tenants.models import Invite, Member, Role

STATES = {"open": "info", "accepted": "success", "expired": "warning"}


class LastOwner(Exception):
    """The tenant would have no owner."""


class PeopleAdmin(ScopedAdmin):
    """What members and invitations share: an owner's row is an owner's business."""

    def may(self, request: HttpRequest, verb: str, row: Any = None) -> bool:
        """As everywhere; and what concerns an owner only an owner changes."""
        if not super().may(request, verb, row):
            return False
        if row is None or verb == "view" or row.role != Role.OWNER:
            return True
        return access_of(request).allows(OWNERS, row.tenant_id)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm[Any]]:
        """The form, told what this user may do."""
        form = super().get_form(request, obj, change, **kwargs)
        return type(form.__name__, (form,), {"access": access_of(request)})


@register(Member, site=site)
class MemberAdmin(PeopleAdmin):
    """Members come by invitation; here their role changes, or they go."""

    who = {"view": EVERYBODY, "change": MANAGERS, "delete": MANAGERS}
    form = MemberForm
    columns = ("user", "name", "role", moment("created_at", "since"))
    filters = ("role",)
    search_fields = ("user__email", "user__name")
    ordering = ("tenant__name", "user__email")
    list_select_related = ("tenant", "user")
    fields = ("tenant", "user", "name", "role", "created_at")
    readonly_fields = ("user", "name", "created_at")
    list_before_template = "portal/member_invite.html"

    @column("name")
    def name(self, member: Member) -> str:
        """What the person is called."""
        return member.user.name or "—"

    def delete_model(self, request: HttpRequest, obj: Member) -> None:
        """Remove, unless it is the last owner, seen under the tenant's lock."""
        lock(obj.tenant)
        stored = Member.objects.select_related("tenant").filter(pk=obj.pk).first()
        if stored is None:
            return
        self.ensure(request, "delete", stored)
        if is_last_owner(stored):
            raise LastOwner
        stored.delete()

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """As everywhere; the last owner stays."""
        try:
            found: HttpResponse = super().delete_view(request, object_id, extra_context)
        except LastOwner:
            messages.error(request, OWNER_NEEDED)
            return HttpResponseRedirect(self.link("changelist"))
        return found


@register(Invite, site=site)
class InviteAdmin(PeopleAdmin):
    """Invitations: made, mailed, withdrawn."""

    who = {"view": MANAGERS, "add": MANAGERS, "delete": MANAGERS}
    form = InviteForm
    columns = ("email", "role", "state", moment("expires_at", "expires"), "invited_by")
    search_fields = ("email",)
    ordering = ("-created_at",)
    list_select_related = ("tenant", "invited_by")
    readonly_fields = ("state", "invited_by", "created_at", "expires_at", "accepted_at")

    @column("state", label=STATES)
    def state(self, row: Invite) -> str:
        """Whether the link still opens."""
        if row.accepted_at:
            return "accepted"
        return "open" if row.expires_at > timezone.now() else "expired"

    def get_fields(self, request: HttpRequest, obj: Invite | None = None) -> list[Any]:
        """What is asked, and of an old one also what became of it."""
        asked = ["tenant", "email", "role"]
        if obj is None and access_of(request).is_single:
            asked.remove("tenant")
        return [*asked, *(self.readonly_fields if obj else ())]

    def save_model(
        self, request: HttpRequest, obj: Invite, form: ModelForm[Invite], change: bool
    ) -> None:
        """Invite: the row and the mail."""
        if change:
            raise PermissionDenied
        self.ensure(request, "add", obj)
        user: Any = request.user
        obj.pk = invite(obj.tenant, obj.email, obj.role, by=user).pk

    def response_add(
        self, request: HttpRequest, obj: Invite, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Back to the list: there is nothing more to do."""
        messages.success(request, f"An invitation is on its way to {obj.email}.")
        return HttpResponseRedirect(self.link("changelist"))
