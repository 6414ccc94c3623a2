"""Two tenants with one of everything each, and people of every kind who look at the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from delivery.models import ProviderHealth
from notifications import webhooks
from notifications.accept import Owner
from notifications.catalog import templates, versions
from notifications.catalog.branding import put_partial
from notifications.catalog.publish import publish
from notifications.catalog.text import Text
from notifications.models import (
    Attempt,
    Block,
    DeadLetter,
    Event,
    Notification,
    OutboxMessage,
    Subscriber,
    Suppression,
    Template,
    TemplatePartial,
    WebhookDelivery,
    WebhookEndpoint,
)
from notifications.suppression import suppress
from portal.models import Entry
from tenants.auth import issue_key
from tenants.models import ALL_SCOPES, ApiKey, Invite, Member, Provider, Role, Tenant, User
from tests.factories import ProviderFactory, email, post

CANARY = "FOREIGN-CANARY"
PASSWORD = "correct horse battery"


@dataclass
class World:
    """One tenant's rows; every text in them has its mark."""

    tenant: Tenant
    key: ApiKey
    provider: Provider
    notification: Notification
    member: Member
    invite: Invite
    webhook: WebhookEndpoint

    @cached_property
    def letter(self) -> DeadLetter:
        """A second notification, which failed; made when it is asked for."""
        mark = self.tenant.name.removesuffix(" tenant")
        [failed] = post(self.tenant, email(recipient=f"{mark}@dead.example"))
        return dead(failed, detail=f"{mark} error")

    @cached_property
    def suppression(self) -> Suppression:
        """An address that nothing else is sent to; made when it is asked for."""
        mark = self.tenant.name.removesuffix(" tenant")
        address = f"{mark}@gone.example"
        return suppress(self.tenant.pk, "live", "email", address, "hard_bounce")[0]

    @cached_property
    def block(self) -> Block:
        """Of a channel and a mode that nothing else is sent by; made when it is asked for."""
        reason = f"{self.tenant.name.removesuffix(' tenant')} reason"
        return Block.objects.create(tenant=self.tenant, mode="test", channel="sms", reason=reason)

    @cached_property
    def user(self) -> Subscriber:
        """Somebody to whom nothing is sent; made when it is asked for."""
        mark = self.tenant.name.removesuffix(" tenant")
        addresses = {"email": f"{mark}@user.example"}
        return Subscriber.objects.create(
            tenant=self.tenant, mode="live", user_id=f"{mark} user", addresses=addresses,
            attributes={"mark": f"{mark} attribute"},
        )  # fmt: skip

    @cached_property
    def template(self) -> Template:
        """A template of two versions, the first published; made when it is asked for."""
        mark = self.tenant.name.removesuffix(" tenant")
        return make_template(self.tenant, name=f"{mark} template", text=f"{mark} said")

    @cached_property
    def partial(self) -> TemplatePartial:
        """What no template names; made when it is asked for."""
        mark = self.tenant.name.removesuffix(" tenant")
        return put_partial(self.tenant.pk, "footer", f"<p>{mark} partial</p>")[0]

    @property
    def rows(self) -> dict[str, Any]:
        """One row of each model with an admin, by the admin's name."""
        return {
            "tenants_tenant": self.tenant,
            "tenants_apikey": self.key,
            "tenants_provider": self.provider,
            "notifications_notification": self.notification,
            "notifications_deadletter": self.letter,
            "notifications_webhookendpoint": self.webhook,
            "notifications_suppression": self.suppression,
            "notifications_template": self.template,
            "notifications_templatepartial": self.partial,
            "notifications_block": self.block,
            "notifications_subscriber": self.user,
            "tenants_member": self.member,
            "tenants_invite": self.invite,
            "tenants_user": self.member.user,
        }


def make_world(mark: str) -> World:
    tenant = Tenant.objects.create(name=f"{mark} tenant")
    key, _ = issue_key(tenant, name=f"{mark} key", scopes=ALL_SCOPES)
    provider: Any = ProviderFactory(tenant=tenant, name=f"{mark} provider")
    provider.seal({"password": f"{mark} secret"})
    provider.save(update_fields=["sealed"])
    ProviderHealth.objects.create(
        tenant=tenant,
        provider=provider,
        paused_at=timezone.now(),
        reason="bad_account",
        detail=f"{mark} detail",
    )
    body = email(
        recipient=f"{mark}@recipient.example",
        subject=f"{mark} subject",
        body=f"{mark} text",
        html=f"<p>{mark} html</p>",
        metadata={"mark": mark},
    )
    [notification] = post(tenant, body)
    attempt(notification, error=f"{mark} error", provider_name=f"{mark} provider")
    user = make_user(f"{mark}-owner@people.example", name=f"{mark} person")
    member = Member.objects.create(tenant=tenant, user=user, role=Role.OWNER)
    invite = Invite.objects.create(
        tenant=tenant,
        email=f"{mark}-invited@people.example",
        role=Role.VIEWER,
        digest=mark.encode(),
        invited_by=user,
        expires_at=timezone.now() + timedelta(days=1),
    )
    webhook = make_webhook(tenant, mark)
    told(webhook, response=f"{mark} answer", error=f"{mark} error")
    return World(tenant, key, provider, notification, member, invite, webhook)


def make_template(tenant: Tenant, *, name: str = "Reset", text: str = "Hello") -> Template:
    """On e-mail: its first version is published, its second a draft."""
    variables = {"type": "object", "properties": {"who": {"type": "string", "default": "you"}}}
    html = f"<h1>{text} {{{{ who }}}}</h1>"
    first = {"subject": f"{text} {{{{ who }}}}", "html": html, "text": f"{text} {{{{ who }}}}."}
    fields = {"slug": "auth.reset", "channel": "email", "name": name, "category": "transactional"}
    own = Text(variables, "en", {"en": first, "de": {"subject": "Hallo", "text": "Hallo."}})
    template, _ = templates.create(tenant.pk, fields, own)
    publish(template, 1)
    versions.draft(template, Text(variables, "en", {"en": first | {"text": f"{text} anew."}}))
    return template


def make_webhook(tenant: Tenant, mark: str, **given: Any) -> WebhookEndpoint:
    """Told of hardly anything, so that it is no part of what other tests count."""
    shown = {
        "url": f"https://hooks.example.com/{mark}",
        "description": f"{mark} webhook",
        "events": ["webhook.disabled"],
    }
    headers = {"X-Mark": f"{mark} header"}
    return webhooks.add(Owner(tenant.pk, "live"), shown | given, headers)[0]


def told(webhook: WebhookEndpoint, status: str = "sent", **fields: Any) -> WebhookDelivery:
    """Let it have been told an event, as settle leaves it."""
    about = {"tenant": webhook.tenant, "mode": webhook.mode}
    with_event = Event.objects.create(**about, type="provider.degraded")
    found = WebhookDelivery.objects.create(
        **about,
        endpoint_id=webhook.pk,
        event_id=with_event.pk,
        status=status,
        settled_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=4),
    )
    values = {"number": 1, "fence": 1, "worker": "worker", "outcome": "sent", "code": "200"}
    Attempt.objects.create(tenant=webhook.tenant, subject_id=found.pk, **(values | fields))
    return found


def dead(notification: Notification, reason: str = "bad_address", detail: str = "") -> DeadLetter:
    """Let it have failed, as settle leaves it."""
    OutboxMessage.objects.filter(pk=notification.pk).delete()
    Notification.objects.filter(pk=notification.pk).update(
        status="failed", reason=reason, settled_at=timezone.now()
    )
    return DeadLetter.objects.create(
        tenant=notification.tenant, notification_id=notification.pk, reason=reason, detail=detail
    )


def held(notification: Notification) -> Notification:
    """Let it be held after a lost answer, as settle leaves it."""
    attempt(notification, outcome=Attempt.Outcome.UNKNOWN, fault=None)
    Notification.objects.filter(pk=notification.pk).update(status="held", reason="unknown")
    OutboxMessage.objects.filter(pk=notification.pk).update(due_at=F("expires_at"), fence=1)
    return notification


def attempt(notification: Notification, **fields: Any) -> Attempt:
    values = {
        "number": 1,
        "fence": 1,
        "worker": "worker",
        "outcome": Attempt.Outcome.REFUSED,
        "fault": "transient",
        "driver": "smtp",
        "finished_at": timezone.now() + timedelta(milliseconds=37),
    }
    return Attempt.objects.create(
        tenant=notification.tenant, subject_id=notification.pk, **(values | fields)
    )


def event(notification: Notification, kind: str, **data: Any) -> Event:
    return Event.objects.create(
        tenant=notification.tenant,
        notification_id=notification.pk,
        mode=notification.mode,
        type=kind,
        data=data,
    )


def make_user(address: str, **fields: Any) -> User:
    user = User(email=address, **fields)
    user.set_unusable_password()
    user.save()
    return user


class Clients(Mapping[str, Client]):
    """By kind of person; logged in when first used, which takes longer than most tests."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = users
        self._made = {"anonymous": Client()}

    def __getitem__(self, who: str) -> Client:
        if who not in self._made:
            client = Client()
            client.force_login(self._users[who])
            self._made[who] = client
        return self._made[who]

    def __iter__(self) -> Iterator[str]:
        return iter(("anonymous", *self._users))

    def __len__(self) -> int:
        return 1 + len(self._users)


class People:
    """Users and their clients, by kind of person."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.clients = Clients(self.users)

    def __getitem__(self, who: str) -> Client:
        return self.clients[who]


@pytest.fixture
def ours(db: None) -> World:
    return make_world("OUR")


@pytest.fixture
def theirs(db: None) -> World:
    return make_world(CANARY)


@pytest.fixture
def people(ours: World) -> People:
    """Anonymous, without a tenant, of each role in our tenant, and an operator."""
    found = People()
    for who in ("outsider", *Role.values, "operator"):
        user = make_user(f"{who}@people.example", is_operator=who == "operator")
        if who in Role.values:
            Member.objects.create(tenant=ours.tenant, user=user, role=who)
        found.users[who] = user
    return found


@pytest.fixture
def entry(db: None) -> Entry:
    return Entry.objects.create(
        version="0.1.0", date="2026-11-01", kind="added", body="* A **thing**."
    )


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """How slowly a password is hashed is Django's to test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
