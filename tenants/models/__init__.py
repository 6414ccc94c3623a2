"""Who, and with what: tenants, their people, keys and providers."""

from __future__ import annotations

from tenants.models.api_key import ALL_SCOPES, ApiKey, Scope
from tenants.models.base import HotTenantRow, Identified, TenantQuerySet, TenantRow
from tenants.models.policy import CategoryPolicy
from tenants.models.provider import Provider
from tenants.models.sender_config import SenderConfig, SenderDomain
from tenants.models.tenant import Invite, Member, Role, Tenant
from tenants.models.user import User

__all__ = [
    "ALL_SCOPES",
    "ApiKey",
    "CategoryPolicy",
    "HotTenantRow",
    "Identified",
    "Invite",
    "Member",
    "Provider",
    "Role",
    "Scope",
    "SenderConfig",
    "SenderDomain",
    "Tenant",
    "TenantQuerySet",
    "TenantRow",
    "User",
]
