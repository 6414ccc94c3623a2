"""What tests need of tenants, keys, providers and notifications, made by the product's own verbs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import factory

from hiram.lib import ids
from notifications.accept import Owner, accept
from notifications.models import Notification, Subscriber
from notifications.shelves import channels
from tenants.auth import issue_key
from tenants.models import ALL_SCOPES, Provider, Tenant


class TenantFactory(factory.django.DjangoModelFactory[Tenant]):
    class Meta:
        model = Tenant

    name = factory.Sequence(lambda n: f"Tenant {n}")


class ProviderFactory(factory.django.DjangoModelFactory[Provider]):
    """An SMTP provider; `port` is where its server listens."""

    class Meta:
        model = Provider

    class Params:
        host = "127.0.0.1"
        port = 1

    tenant = factory.SubFactory(TenantFactory)
    name = factory.Sequence(lambda n: f"Provider {n}")
    channel = "email"
    driver = "smtp"
    settings = factory.LazyAttribute(
        lambda o: {
            "host": o.host,
            "port": o.port,
            "security": "none",
            "from_email": "hello@sender.example",
        }
    )


def make_key(tenant: Tenant, **fields: Any) -> str:
    """The text of a fresh key with all scopes."""
    return issue_key(tenant, **{"name": "test", "scopes": ALL_SCOPES, **fields})[1]


def email(**fields: Any) -> dict[str, Any]:
    """The body of an e-mail request."""
    return {
        "channel": "email",
        "recipient": "ada@recipient.example",
        "subject": "Order confirmed",
        "body": "Thank you.",
        **fields,
    }


def post(tenant: Tenant, *bodies: dict[str, Any], mode: str = "live") -> list[Notification]:
    """Accept these bodies (one e-mail if none is given); the notifications."""
    asked = bodies or (email(),)
    requests = [channels[b["channel"]].request.model_validate(b) for b in asked]
    answer = accept(Owner(tenant.pk, mode), requests, lambda made: (202, made))
    made: list[UUID] = answer.body
    found = Notification.objects.in_bulk(made)
    return [found[key] for key in made]


def shown(notification: Notification) -> str:
    """The public id."""
    return ids.show("ntf", notification.pk)


def make_user(
    tenant: Tenant, user_id: str = "u1", mode: str = "live", **fields: Any
) -> Subscriber:
    """A user of the tenant."""
    return Subscriber.objects.create(tenant=tenant, mode=mode, user_id=user_id, **fields)


def to_user(
    tenant: Tenant, user_id: str = "u1", *bodies: dict[str, Any], mode: str = "live", **fields: Any
) -> list[Notification]:
    """Accept these bodies as sent to a user; `fields` are set on the notifications."""
    rows = post(tenant, *bodies, mode=mode)
    found = Notification.objects.filter(pk__in=[row.pk for row in rows])
    found.update(user_id=user_id, **fields)
    by_id = found.in_bulk()
    return [by_id[row.pk] for row in rows]
