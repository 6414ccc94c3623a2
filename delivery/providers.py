"""Providers: making, changing, removing and showing a tenant's accounts. The one way for all of
API, portal and commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Greatest, Now

from delivery.accounts import check, reports_to
from delivery.models import ProviderHealth
from delivery.provider import NewProvider, ProviderChange, ShownProvider
from delivery.shelves import drivers
from hiram.lib import ids, rfc3339
from hiram.lib.doorbell import doorbell
from hiram.lib.problems import FieldError, Problem, pointer
from hiram.lib.vault import SealBroken
from tenants.models import Provider

_TRIES = 5


def add(tenant_id: UUID, given: NewProvider, *, shared: bool = False) -> Provider:
    """Make a provider.

    Raises:
        Problem: 422 for what is wrong with the fields, 409 when the name is taken.
    """
    _check_driver(given)
    _check_fields(given.driver, given.settings, given.credentials)
    provider = Provider(
        tenant_id=tenant_id, shared=shared, **given.model_dump(exclude={"credentials"})
    )
    provider.seal(given.credentials)
    try:
        with transaction.atomic():
            provider.save(force_insert=True)
            transaction.on_commit(doorbell.ring)
    except IntegrityError as error:
        raise _refusal(error) from error
    return provider


WHITHER = ("host", "api_url")
"""Settings that say where secrets are sent to."""


def change(provider: Provider, given: ProviderChange) -> None:
    """Change a provider; new settings or credentials, or `enabled: true`, also end its pause.

    Another change at the same time is not overwritten: this one is merged into it.

    Raises:
        Problem: 422 for what is wrong with the merged fields, 404 when it is gone, 409 when the
            name is taken or others change it all the time.
    """
    for _ in range(_TRIES):
        if _write(provider, given, _merged(provider, given)):
            return
        _reload(provider)
    raise Problem("conflict", "Others are changing this provider. Try again.")


def remove(provider: Provider) -> None:
    """Remove a provider. What it has sent keeps its name."""
    Provider.objects.filter(pk=provider.pk).delete()


def show(provider: Provider) -> dict[str, Any]:
    """A provider as the API answers it; reads `health`, which lists should select with it."""
    health: ProviderHealth | None = getattr(provider, "health", None)
    status, reason, detail = _status(provider, health)
    return ShownProvider(
        id=ids.show("prv", provider.pk),
        channel=provider.channel,
        driver=provider.driver,
        name=provider.name,
        settings=provider.settings,
        credentials_set=_credentials_set(provider),
        priority=provider.priority,
        weight=provider.weight,
        max_per_second=provider.max_per_second,
        max_in_flight=provider.max_in_flight,
        enabled=provider.enabled,
        callback_url=reports_to(provider),
        status=status,
        reason=reason,
        detail=detail,
        share=health.share if health else 100,
        degraded_at=rfc3339.show_if(health.degraded_at if health else None),
        created_at=rfc3339.show(provider.created_at),
        updated_at=rfc3339.show(provider.updated_at),
    ).model_dump()


def _check_driver(given: NewProvider) -> None:
    driver = drivers.get(given.driver)
    if driver is None:
        options = ", ".join(drivers)
        errors = [FieldError("/driver", "not_an_option", f"This must be one of {options}.")]
        raise Problem("invalid", errors=errors)
    if given.channel != driver.channel:
        text = f"The driver {given.driver} is for the channel {driver.channel}."
        raise Problem("invalid", errors=[FieldError("/channel", "not_an_option", text)])


def _check_fields(
    driver: str, settings: Mapping[str, Any], credentials: Mapping[str, Any]
) -> None:
    if driver not in drivers:
        raise Problem("conflict", f"The driver {driver} is not installed here any more.")
    if errors := check(drivers[driver], dict(settings), dict(credentials)):
        raise Problem("invalid", errors=errors)


def _merged(provider: Provider, given: ProviderChange) -> dict[str, Any]:
    """The columns to write."""
    columns = given.model_dump(exclude={"settings", "credentials"}, exclude_unset=True)
    if not given.model_fields_set & {"settings", "credentials"}:
        return columns
    settings = _merge(provider.settings, given.settings)
    kept = _opened(provider)
    credentials = _merge(kept, given.credentials)
    _check_fields(provider.driver, settings, credentials)
    if any(settings.get(name) != provider.settings.get(name) for name in WHITHER):
        _refuse_to_carry(kept.keys() - given.credentials.keys())
    columns["settings"] = settings
    if "credentials" in given.model_fields_set:
        sealed = Provider(pk=provider.pk, tenant_id=provider.tenant_id)
        sealed.seal(credentials)
        columns["sealed"] = sealed.sealed
    return columns


def _refuse_to_carry(secrets: Iterable[str]) -> None:
    """Stored secrets do not follow a provider to another address: they could be read there."""
    text = "The address changes, so this must be given again."
    errors = [
        FieldError(pointer("credentials", name), "required", text) for name in sorted(secrets)
    ]
    if errors:
        raise Problem("invalid", errors=errors)


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**old, **new}.items() if value is not None}


def _write(provider: Provider, given: ProviderChange, columns: dict[str, Any]) -> bool:
    later = Greatest(Now(), F("updated_at") + timedelta(microseconds=1))
    unchanged = Provider.objects.filter(pk=provider.pk, updated_at=provider.updated_at)
    try:
        with transaction.atomic():
            if not unchanged.update(**columns, updated_at=later):
                return False
            if given.mends:
                _resume(provider)
            transaction.on_commit(doorbell.ring)
    except IntegrityError as error:
        raise _refusal(error) from error
    _reload(provider)
    return True


def _resume(provider: Provider) -> None:
    ProviderHealth.objects.filter(provider=provider).update(
        paused_at=None, reason=None, detail="", open_until=None, trouble=None, probe_until=None
    )


def _reload(provider: Provider) -> None:
    try:
        provider.refresh_from_db()
    except Provider.DoesNotExist as error:
        raise Problem("not-found") from error


def _refusal(error: IntegrityError) -> Problem:
    diagnosis = getattr(error.__cause__, "diag", None)
    if getattr(diagnosis, "constraint_name", None) != "provider_name_once":
        raise error
    taken = FieldError("/name", "taken", "Another provider of this tenant has this name.")
    return Problem("conflict", taken.detail, errors=[taken])


def _opened(provider: Provider) -> dict[str, Any]:
    try:
        return provider.open()
    except SealBroken:
        return {}  # they have to be given anew, as the check will say


def _credentials_set(provider: Provider) -> list[str]:
    return sorted(name for name, value in _opened(provider).items() if value)


def _status(
    provider: Provider, health: ProviderHealth | None
) -> tuple[str, str | None, str | None]:
    if not provider.enabled:
        return "disabled", None, None
    if health is None:
        return "usable", None, None
    if health.paused_at is not None:
        return "paused", health.reason, health.detail or None
    if health.degraded_at is not None:
        return "degraded", health.trouble or "errors", None
    return "usable", None, None
