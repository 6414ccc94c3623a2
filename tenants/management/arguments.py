"""How commands name tenants and keys."""

from __future__ import annotations

from django.core.management.base import CommandError
from django.db.models import QuerySet

from hiram.lib import ids
from tenants.models import ApiKey, Tenant
from tenants.models.api_key import digest, is_well_formed


def find_tenant(text: str) -> Tenant:
    """The tenant of this id or exact name.

    Raises:
        CommandError: there is none.
    """
    found = Tenant.objects.none()
    if text.startswith("tnt_"):
        try:
            found = Tenant.objects.filter(pk=ids.parse("tnt", text))
        except ids.MalformedId as error:
            raise CommandError(f"{text!r} is not a tenant's id: {error}") from error
    else:
        found = Tenant.objects.filter(name=text)
    tenant = found.first()
    if tenant is None:
        raise CommandError(f"There is no tenant {text!r}.")
    return tenant


def find_key(text: str) -> ApiKey:
    """The key of this id, of this prefix if no other key has it, or of this whole text.

    Raises:
        CommandError: there is none, or several have the prefix.
    """
    found = list(_keys(text).select_related("tenant")[:11])
    if not found:
        raise CommandError("There is no such key. `list_keys` shows the ids.")
    if len(found) > 1:
        named = ", ".join(ids.show("key", key.pk) for key in found[:10])
        raise CommandError(f"Several keys begin so, name one by its id: {named}")
    return found[0]


def _keys(text: str) -> QuerySet[ApiKey]:
    if is_well_formed(text):
        return ApiKey.objects.filter(digest=digest(text))
    if not text.startswith("key_"):
        return ApiKey.objects.filter(prefix=text.removesuffix("…"))
    try:
        return ApiKey.objects.filter(pk=ids.parse("key", text))
    except ids.MalformedId as error:
        raise CommandError(f"{text!r} is not a key's id: {error}") from error
