"""Who may do what in the portal: operators everything, members what their roles allow.

Read from the database once a request and never longer: who is removed from a tenant has lost it
with the next click.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from tenants.models import Member, Role, Tenant, User

OWNERS = frozenset({Role.OWNER})
MANAGERS = OWNERS | {Role.ADMIN}
BUILDERS = MANAGERS | {Role.DEVELOPER}
EVERYBODY = BUILDERS | {Role.VIEWER}
OPERATORS: frozenset[Role] = frozenset()
"""No member's role: only operators."""

Row = TypeVar("Row", bound=Model)
_KEPT = "_portal_access"


@dataclass(frozen=True, slots=True)
class Access:
    """What one user may reach: every tenant, or the roles in those that the user belongs to."""

    operator: bool = False
    roles: Mapping[UUID, str] = field(default_factory=dict)

    @property
    def opens(self) -> bool:
        """Whether there is anything in the portal for this user."""
        return self.operator or bool(self.roles)

    @property
    def is_single(self) -> bool:
        """Whether all that this user sees belongs to one tenant, so that it need not be named."""
        return not self.operator and len(self.roles) == 1

    def allows(self, allowed: Collection[Role], tenant_id: UUID | None = None) -> bool:
        """Whether the user has one of these roles in this tenant; without one, in any."""
        if self.operator:
            return True
        if tenant_id is None:
            return any(role in allowed for role in self.roles.values())
        return self.roles.get(tenant_id) in allowed

    def within(
        self, rows: QuerySet[Row], path: str, allowed: Collection[Role] = EVERYBODY
    ) -> QuerySet[Row]:
        """Those rows whose tenant, found at `path`, gives the user one of these roles."""
        if self.operator:
            return rows
        tenants = [tenant for tenant, role in self.roles.items() if role in allowed]
        return rows.filter(**{f"{path}__in": tenants})

    def tenants(self, allowed: Collection[Role] = EVERYBODY) -> QuerySet[Tenant]:
        """The tenants that give the user one of these roles, by name."""
        return self.within(Tenant.objects.order_by("name"), "pk", allowed)


def access_of(request: HttpRequest) -> Access:
    """What the request's user may reach, looked up once a request."""
    kept: Any = getattr(request, _KEPT, None)
    if isinstance(kept, Access):
        return kept
    found = _read(request.user)
    setattr(request, _KEPT, found)
    return found


def _read(user: User | AnonymousUser) -> Access:
    if not isinstance(user, User) or not user.is_active:
        return Access()
    if user.is_operator:
        return Access(operator=True)
    return Access(roles=dict(Member.objects.filter(user=user).values_list("tenant_id", "role")))


def client_address(request: HttpRequest) -> str | None:
    """From where a request comes, for counting failed log-ins.

    Behind a proxy it is what the proxy added itself, the last of X-Forwarded-For: what stands
    before that, the client could have written.
    """
    if settings.BEHIND_PROXY:
        added = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
        with suppress(ValueError):
            return str(ip_address(added))
    return request.META.get("REMOTE_ADDR") or None
