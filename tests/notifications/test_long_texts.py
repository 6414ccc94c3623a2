"""What is shown of long texts: 4,096 characters, whole ones, and how many there are."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.test import Client

from delivery.driver import Failed, Fault
from hiram.lib.text import SHOWN_CHARACTERS, marker
from notifications.models import Content
from tenants.models import Tenant
from tests.factories import ProviderFactory, TenantFactory, email, post, shown
from tests.notifications.calls import api
from tests.notifications.retaining import answered

pytestmark = pytest.mark.django_db(transaction=True)

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
ACCENTED = "e\u0301"
LONG = "x" + FAMILY * 1_000
WHOLE = "x" + FAMILY * ((SHOWN_CHARACTERS - 1) // len(FAMILY))


@pytest.fixture
def tenant() -> Tenant:
    made: Tenant = TenantFactory.create()
    ProviderFactory.create(tenant=made)
    return made


def test_what_a_provider_said(tenant: Tenant, admin_client: Client) -> None:
    [row] = post(tenant)
    answered(Failed(Fault.BAD_CONTENT, "x" + ACCENTED * 3_000))
    said = api(tenant).one(shown(row))["attempts"][0]["error"]
    assert re.fullmatch(rf"x({ACCENTED})+… \[cut, 6,001 characters in all]", said)
    assert SHOWN_CHARACTERS - 1 <= len(said) <= SHOWN_CHARACTERS
    [letter] = api(tenant).get("/v1/dead-letters").body["data"]
    assert letter["detail"] == letter["attempts"][0]["error"] == said
    page = admin_client.get(f"/portal/notifications/notification/{shown(row)}/change/")
    assert f"<dd>{said}</dd>" in unescape(page.content.decode())


def test_a_dead_letters_payload(tenant: Tenant) -> None:
    file = {"filename": "a.txt", "content_type": "text/plain", "content": "QUJD" * 2_000}
    post(tenant, email(body=LONG, attachments=[file]))
    answered(Failed(Fault.BAD_CONTENT, "no"))
    [letter] = api(tenant).get("/v1/dead-letters").body["data"]
    assert letter["payload"]["text"] == WHOLE + marker(len(LONG))
    [attached] = letter["payload"]["attachments"]
    assert attached["content"] == "QUJD" * 1_024 + marker(8_000)
    assert attached["filename"] == "a.txt"
    kept = Content.objects.get().payload
    assert (kept["text"], kept["attachments"][0]["content"]) == (LONG, "QUJD" * 2_000)


def test_bodies_in_the_portal(tenant: Tenant, admin_client: Client) -> None:
    html = f"<p>{LONG}</p>"
    [row] = post(tenant, email(body=LONG, html=html))
    page = admin_client.get(f"/portal/notifications/notification/{shown(row)}/change/")
    text, source = re.findall(r'<pre class="hiram-text">(.*?)</pre>', page.content.decode())
    assert text == WHOLE + marker(len(LONG))
    whole = "<p>x" + FAMILY * ((SHOWN_CHARACTERS - 4) // len(FAMILY))
    assert unescape(source) == whole + marker(len(html))
    [frame] = re.findall(r'srcdoc="([^"]*)"', page.content.decode())
    assert unescape(frame).endswith(html), "a picture of half a page is of none"


def test_what_is_as_long_as_may_be_is_whole(tenant: Tenant, admin_client: Client) -> None:
    [row] = post(tenant, email(body="x" * SHOWN_CHARACTERS))
    page = admin_client.get(f"/portal/notifications/notification/{shown(row)}/change/")
    assert f'<pre class="hiram-text">{"x" * SHOWN_CHARACTERS}</pre>' in page.content.decode()
