"""The portal in a real browser: logging in, making a key, replaying what failed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.utils import timezone

from delivery.models import ProviderHealth
from notifications.accept import Owner
from notifications.catalog.branding import put_brand, put_partial
from notifications.consent import record
from notifications.models import (
    Block,
    Consent,
    Notification,
    Preference,
    Subscriber,
    WebhookEndpoint,
)
from notifications.preferences import change
from notifications.suppression import suppress
from tenants.models import ApiKey, Tenant
from tenants.models.api_key import digest
from tests.browser.conftest import log_in
from tests.browser.webdriver import Browser
from tests.factories import ProviderFactory, email, post, to_user
from tests.portal.conftest import dead, make_template, make_webhook, told

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def test_a_key_is_made_and_seen_once(browser: Browser, base: str, tenant: Tenant) -> None:
    log_in(browser, base)
    browser.open(f"{base}/portal/tenants/apikey/add/")
    browser.type("#id_name", "backend")
    browser.click("button[name=_save]")
    text = browser.text("#api-key")
    assert re.fullmatch(r"hk_live_\w{36}", text)
    assert ApiKey.objects.get(tenant=tenant).digest == digest(text)
    browser.click("a[href='/portal/tenants/apikey/'].hiram-button")
    browser.find("#changelist")
    assert text not in browser.source
    # The page that showed it may not be kept: the browser would have to send the form again.
    browser.back()
    assert browser.address.endswith("/add/")
    assert text not in browser.source


def test_a_dead_letter_is_replayed_by_clicking(
    browser: Browser, base: str, tenant: Tenant
) -> None:
    [row] = post(tenant, email(subject=EVIL))
    dead(row)
    log_in(browser, base)
    browser.click("#nav-sidebar a[href='/portal/notifications/deadletter/']")
    browser.click("#result_list a[href$='/change/']")
    browser.click("a[href$='/replay/']")
    assert Notification.objects.get(pk=row.pk).status == "failed"
    browser.click("#decide button[type=submit]")
    browser.find(".hiram-timeline")
    assert "Replayed: it is owed again." in browser.text("#main")
    assert browser.text(".hiram-badge").lower() == "queued"
    assert browser.run("return document.title") != "owned"
    assert browser.console() == []


def test_of_dead_letters_the_chosen_are_replayed(
    browser: Browser, base: str, tenant: Tenant
) -> None:
    rows = post(tenant, *[email() for _ in range(3)])
    for row in rows:
        dead(row)
    log_in(browser, base)
    browser.open(f"{base}/portal/notifications/deadletter/")
    browser.click(f"input[name=id][value='{rows[1].pk}']")
    browser.click("#choose button[type=submit]")
    assert "1 notification" in browser.text("#main section")
    browser.type("#id_per_second", "5")
    browser.click("#decide button[type=submit]")
    browser.find("#changelist")
    assert "1 replayed." in browser.text("#main")
    assert [Notification.objects.get(pk=row.pk).status for row in rows] == [
        "failed", "accepted", "failed",
    ]  # fmt: skip
    assert browser.console() == []


def test_nothing_foreign_runs_and_nothing_is_fetched_from_elsewhere(
    browser: Browser, base: str, tenant: Tenant
) -> None:
    html = f"<h1>Hello</h1>{EVIL}<img src='https://evil.example/x.png'>"
    [row] = post(tenant, email(subject="Harmless", html=html, body=EVIL))
    log_in(browser, base)
    for path in ("/portal/", f"/portal/notifications/notification/{row.pk}/change/",
                 "/portal/notifications/notification/", "/trestleboard/"):  # fmt: skip
        browser.open(base + path)
        browser.find("main, #main")
        assert "owned" not in browser.run("return document.title")
        asked = browser.run("return performance.getEntriesByType('resource').map(e => e.name)")
        assert [name for name in asked if not name.startswith(base)] == []
        refused = [line for line in browser.console() if "frame" not in line]
        # What the frame's own policy refuses is said there; the page itself has nothing to say.
        assert [
            line for line in refused if "evil.example" not in line and "srcdoc" not in line
        ] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_window(
    width: int, browser: Browser, base: str, tenant: Tenant
) -> None:
    long = "x" * 200
    [row] = post(tenant, email(subject=long, metadata={"k" * 60: long}, html=f"<p>{long}</p>"))
    dead(post(tenant, email(recipient=f"{long[:60]}@{long[:60]}.example"))[0])
    provider: Any = ProviderFactory(tenant=tenant, name=long[:100])
    ProviderHealth.objects.create(
        tenant=tenant, provider=provider, paused_at=timezone.now(), reason=long[:60], detail=long
    )
    hook = make_webhook(tenant, long[:60], url=f"https://hooks.example.com/{long * 5}")
    told(hook, error=long, response=long * 5)
    gone, _ = suppress(tenant.pk, "live", "email", "ada@gone.example", "hard_bounce")
    text = make_template(tenant, name=long, text=long)
    who = Subscriber.objects.create(
        tenant=tenant,
        mode="live",
        user_id=long,
        addresses={"email": long},
        attributes={long: long},
    )
    stop = Block.objects.create(tenant=tenant, mode="test", channel="sms", reason=long)
    owner = Owner(tenant.pk, "live")
    change(owner, long, {"templates": {long[:100]: {"email": False}}})
    record(
        owner, long, Consent(category="marketing", channel="email", granted=True, text=long * 5)
    )
    piece, _ = put_partial(tenant.pk, long[:100], long * 5)
    put_brand(tenant.pk, {long[:64]: long})
    log_in(browser, base)
    browser.resize(width, 844)
    for path in (
        "/portal/",
        "/portal/notifications/notification/",
        f"/portal/notifications/notification/{row.pk}/change/",
        f"/portal/notifications/notification/{row.pk}/cancel/",
        "/portal/notifications/deadletter/",
        "/portal/notifications/deadletter/replay-many/",
        f"/portal/tenants/tenant/{tenant.pk}/policies/",
        "/portal/tenants/provider/add/",
        "/portal/tenants/provider/add/?driver=smtp",
        "/portal/tenants/apikey/add/",
        "/portal/notifications/webhookendpoint/",
        "/portal/notifications/webhookendpoint/add/",
        *(
            f"/portal/notifications/webhookendpoint/{hook.pk}/{page}/"
            for page in ("change", "deliveries", "rotate", "recover")
        ),
        "/portal/notifications/suppression/",
        "/portal/notifications/suppression/add/",
        *(f"/portal/notifications/suppression/{gone.pk}/{page}/" for page in ("change", "allow")),
        "/portal/notifications/block/",
        "/portal/notifications/block/add/",
        *(f"/portal/notifications/block/{stop.pk}/{page}/" for page in ("change", "lift")),
        "/portal/explain/",
        "/portal/notifications/subscriber/",
        *(
            f"/portal/notifications/subscriber/{who.pk}/{page}/"
            for page in ("change", "preferences", "consent", "erase")
        ),
        "/portal/notifications/templatepartial/",
        "/portal/notifications/templatepartial/add/",
        *(
            f"/portal/notifications/templatepartial/{piece.pk}/{page}/"
            for page in ("change", "edit", "delete")
        ),
        f"/portal/tenants/tenant/{tenant.pk}/brand/",
        "/portal/notifications/template/",
        "/portal/notifications/template/add/",
        *(
            f"/portal/notifications/template/{text.pk}/{page}/"
            for page in ("change", "edit", "preview", "diff", "publish", "disable")
        ),
        "/trestleboard/",
        "/portal/password-reset/",
    ):
        browser.open(base + path)
        wide = browser.run(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, path


def test_a_webhook_is_made_its_secret_seen_once_and_tested(
    browser: Browser, base: str, tenant: Tenant
) -> None:
    log_in(browser, base)
    browser.click("#nav-sidebar a[href='/portal/notifications/webhookendpoint/']")
    browser.open(f"{base}/portal/notifications/webhookendpoint/add/")
    browser.type("#id_url", "https://127.0.0.1:9/hiram")
    browser.type("#id_description", EVIL[:200])
    browser.type("#id_headers", "Authorization: s3cret")
    browser.click("button[name=_save]")
    secret = browser.text("#webhook-secret")
    hook = WebhookEndpoint.objects.get(tenant=tenant)
    assert [one["secret"] for one in hook.open()["secrets"]] == [secret]
    browser.click(f"a[href='/portal/notifications/webhookendpoint/{hook.pk}/change/']")
    browser.click("a[href$='/test/']")
    assert secret not in browser.source
    browser.click("#ask button[type=submit]")
    assert "webhook.test" in browser.text("#deliveries")
    browser.open(f"{base}/portal/notifications/webhookendpoint/{hook.pk}/rotate/")
    browser.click("#ask button[type=submit]")
    assert browser.text("#webhook-secret") not in ("", secret)
    browser.open(f"{base}/portal/notifications/webhookendpoint/")
    assert "s3cret" not in browser.source
    assert browser.run("return document.title") != "owned"
    assert browser.console() == []


def test_a_draft_is_written_and_previewed_on_a_phone(
    browser: Browser, base: str, tenant: Tenant
) -> None:
    row = make_template(tenant, text="Hello")
    log_in(browser, base)
    browser.resize(390, 844)
    browser.open(f"{base}/portal/notifications/template/{row.pk}/edit/?version=2")
    browser.type("#id_en-text", "{{ oops")
    browser.click("button[name=preview]")
    browser.find("#edit .errors")
    assert "line 1, column" in browser.text("#edit")
    assert "{{ oops" in str(browser.run("return document.querySelector('#id_en-text').value"))
    browser.run("document.querySelector('#id_en-text').value = 'Dear {{ who }}'")
    browser.run(
        f"document.querySelector('#id_en-html').value = {json.dumps(EVIL + '<h1>Hi</h1>')}"
    )
    browser.click("button[name=preview]")
    assert "Dear you" in browser.text("#made")
    assert len(browser.all("#made iframe")) == 2
    wide = browser.run(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert wide <= 0
    assert browser.run("return document.title") != "owned"
    browser.console()
    browser.open(f"{base}/portal/notifications/template/{row.pk}/publish/?version=2")
    browser.click("#ask button[type=submit]")
    browser.find("#versions")
    assert "Published version 2." in browser.text("#main")
    assert browser.text("#text .hiram-badge").lower() == "published"
    assert browser.console() == []


def test_on_a_phone_a_user_is_opted_out_and_an_opt_in_recorded(
    browser: Browser, base: str, tenant: Tenant
) -> None:
    who = Subscriber.objects.create(tenant=tenant, mode="live", user_id=EVIL, addresses={})
    [owed] = to_user(tenant, EVIL, email())
    page = f"/portal/notifications/subscriber/{who.pk}"
    log_in(browser, base)
    browser.resize(390, 844)
    browser.open(f"{base}{page}/change/")
    browser.click(f"a[href='{page}/preferences/']")
    browser.click("[name='categories:transactional:email'] option[value=no]")
    browser.type("#id_start", "22:00")
    browser.click("#edit button[type=submit]")
    browser.find("#edit .errors")
    assert browser.run("return document.querySelector('#id_start').value") == "22:00"
    browser.type("#id_end", "07:00")
    browser.click("#edit button[type=submit]")
    browser.find("#preferences")
    assert "The preferences are saved." in browser.text("#main")
    owed.refresh_from_db()
    assert (owed.status, owed.reason) == ("suppressed", "preference")
    browser.click(f"a[href='{page}/consent/']")
    browser.click("#id_granted option[value=yes]")
    browser.click("#id_category option[value=marketing]")
    browser.click("#id_channel option[value=email]")
    browser.type("#id_text", EVIL)
    browser.click("#edit button[type=submit]")
    assert "granted" in browser.text("#consents").lower()
    said = Preference.objects.get(tenant=tenant)
    assert said.categories == {"transactional": {"email": False}, "marketing": {"email": True}}
    assert said.quiet_hours == {"start": "22:00", "end": "07:00"}
    assert browser.run("return document.title") != "owned"
    assert browser.console() == []
