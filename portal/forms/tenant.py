"""The base of forms for a tenant's rows: the tenant is never believed, only chosen from one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.db.models import QuerySet

from tenants.models import Tenant, User

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
else:
    ModelForm = forms.ModelForm  # generic for the type checker only


class TenantForm(ModelForm):
    """`allowed_tenants` are those in which this user may make such a row.

    Where there is one, it is set and not asked for. The admin sets the attributes on a subclass
    it makes for each request.
    """

    allowed_tenants: ClassVar[QuerySet[Tenant]]
    user: ClassVar[User]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row: Any = self.instance
        if row._state.adding and "tenant" not in self.fields:
            row.tenant = self.allowed_tenants.get()

    @property
    def tenant(self) -> Tenant | None:
        """The tenant of the row; None while none of one's own was chosen."""
        row: Any = self.instance
        if not row._state.adding or "tenant" not in self.fields:
            found: Tenant = row.tenant
            return found
        return self.cleaned_data.get("tenant")

    def _get_validation_exclusions(self) -> set[str]:
        # A constraint with a field that is not in the form goes unchecked, and every name is
        # unique within its tenant.
        found: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return found - {"tenant"}
