"""Warn: who runs a tenant learns by mail that a webhook of theirs fails, and that it is disabled."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.urls import reverse

from delivery.receivers import GIVEN_UP_SECONDS, News, news, told
from portal import mails
from portal.alerts import people
from portal.queries.wording import DISABLED
from tenants.models import Tenant, User

PAGE = "admin:notifications_webhookendpoint_change"


def warn() -> int:
    """Mail those who can mend it about each webhook that fails; how many mails.

    Once for each part of the time and person, however often this runs, at once or one after the
    other, and whenever it dies: the mail's idempotency key names both, and by the time a key is
    forgotten it is remembered at the endpoint that it was told.
    """
    mailed = 0
    for one in news():
        tenant = Tenant.objects.get(pk=one.tenant_id)
        mailed += sum([_tell(one, tenant, user) for user in people(tenant)])
        told(one)
    return mailed


def _tell(one: News, tenant: Tenant, user: User) -> bool:
    host = urlsplit(one.url).hostname or ""
    state, template = ("is disabled", "disabled") if one.reason else ("fails", "failing")
    return mails.send_once(
        f"webhook {one.endpoint_id} {one.percent} {one.since.isoformat()} {user.pk}",
        user.email,
        f"The webhook at {host} {state}",
        f"webhook_{template}",
        tenant=tenant,
        host=host,
        description=one.description,
        since=one.since,
        days=GIVEN_UP_SECONDS // 86_400,
        reason=DISABLED.get(one.reason or ""),
        link=mails.absolute(reverse(PAGE, args=[one.endpoint_id])),
    )
