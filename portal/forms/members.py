"""Members and invitations: who may give which role, and that an owner remains."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget

from portal.access import OWNERS, Access
from portal.forms.tenant import TenantForm
from tenants.models import Invite, Member, Role, Tenant

OWNER_NEEDED = "A tenant needs an owner: make somebody else one first."
NOT_YOURS = "Only an owner gives or takes the role of an owner."


def lock(tenant: Tenant) -> None:
    """Let nobody else change this tenant's members until the transaction ends."""
    Tenant.objects.select_for_update().get(pk=tenant.pk)


def is_last_owner(member: Member) -> bool:
    """Whether nobody else owns the tenant; under `lock`, this stays true."""
    others = Member.objects.filter(tenant_id=member.tenant_id, role=Role.OWNER)
    return member.role == Role.OWNER and not others.exclude(pk=member.pk).exists()


class MemberForm(TenantForm):
    """Changes a role, and nothing else. `access` is set on the subclass made for each request."""

    access: Access

    class Meta:
        model = Member
        fields = ("role",)
        widgets = {"role": UnfoldAdminSelectWidget}

    def clean_role(self) -> str:
        """The role, if this user may give it and the tenant keeps an owner."""
        role: str = self.cleaned_data["role"]
        lock(self.instance.tenant)
        stored = Member.objects.filter(pk=self.instance.pk).first()
        if stored is None:
            raise ValidationError("This member was removed meanwhile.")
        owning = Role.OWNER in (role, stored.role)
        if owning and not self.access.allows(OWNERS, stored.tenant_id):
            raise ValidationError(NOT_YOURS)
        if role != Role.OWNER and is_last_owner(stored):
            raise ValidationError(OWNER_NEEDED)
        return role


class InviteForm(TenantForm):
    """Whom to invite, and as what."""

    access: Access

    class Meta:
        model = Invite
        fields = ("tenant", "email", "role")
        widgets = {"email": UnfoldAdminEmailInputWidget, "role": UnfoldAdminSelectWidget}
        help_texts = {"email": "The link goes to this address, and only it can accept."}

    def clean(self) -> dict[str, Any]:
        """The role is this user's to give, and the address no member's yet."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        tenant, email = self.tenant, cleaned.get("email")
        if tenant is None or not email:
            return cleaned
        if cleaned.get("role") == Role.OWNER and not self.access.allows(OWNERS, tenant.pk):
            self.add_error("role", NOT_YOURS)
        if Member.objects.filter(tenant=tenant, user__email__iexact=email).exists():
            self.add_error("email", "This address is a member already.")
        return cleaned


class AcceptForm(forms.Form):
    """A new account for an invited address."""

    name = forms.CharField(max_length=200, required=False, label="Your name")
    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), strip=False
    )
