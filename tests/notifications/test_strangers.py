"""Who may see and do what: another tenant, another mode, a key that is no more."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hiram.lib import ids
from hiram.openapi import document
from notifications import webhooks
from notifications.accept import Owner
from notifications.models import (
    Block,
    Consent,
    Event,
    Notification,
    Preference,
    Suppression,
    Template,
)
from notifications.suppression import suppress
from tenants.auth import issue_key, revoke_key
from tenants.models import ALL_SCOPES, SenderConfig, Tenant
from tenants.models.api_key import new_key
from tests.factories import (
    ProviderFactory,
    TenantFactory,
    email,
    make_key,
    make_user,
    post,
    shown,
)
from tests.notifications.calls import BATCH, PATH, Api, Said, api
from tests.notifications.catalog.texts import made
from tests.tenancy import Caller

pytestmark = pytest.mark.django_db

BATCH_BODY = {"notifications": [email()]}
UNKNOWN = "ntf_00000000000000000000000000"

READS = [
    PATH,
    f"{PATH}?status=queued",
    f"{PATH}/{{id}}",
    f"{PATH}/{{id}}/attempts",
    "/v1/dead-letters",
]
CALLS: list[tuple[str, str, Any, str]] = [
    *(("GET", path, b"", "notifications:read") for path in READS),
    *(("HEAD", path, b"", "notifications:read") for path in READS),
    ("POST", PATH, email(), "notifications:write"),
    ("POST", BATCH, BATCH_BODY, "notifications:write"),
    ("POST", f"{PATH}/{{id}}/cancel", b"", "notifications:write"),
    ("POST", f"{PATH}/{{id}}/replay", b"", "notifications:write"),
    ("POST", f"{PATH}/{{id}}/release", b"", "notifications:write"),
    ("POST", f"{PATH}/{{id}}/drop", b"", "notifications:write"),
    ("POST", "/v1/held/release", {}, "notifications:write"),
    ("POST", "/v1/held/drop", {}, "notifications:write"),
    ("POST", "/v1/dead-letters/replay", {}, "notifications:write"),
    ("POST", "/v1/cancel", {"cancel_key": "k"}, "notifications:write"),
    ("GET", "/v1/suppressions", b"", "notifications:read"),
    ("GET", "/v1/blocks", b"", "notifications:read"),
]


@pytest.fixture
def mine(tenant: Tenant) -> str:
    """The id of a notification of the tenant."""
    (row,) = post(tenant)
    return shown(row)


def ask(caller: Api, method: str, path: str, body: Any, shown_id: str, **headers: str) -> Said:
    return caller.ask(method, path.format(id=shown_id), body, **headers)


@pytest.mark.parametrize("path", READS[2:4])
@pytest.mark.parametrize("who", ["other tenant", "test key", "shadow tenant"])
def test_what_is_anothers_is_as_if_unknown(tenant: Tenant, mine: str, path: str, who: str) -> None:
    stranger = {
        "other tenant": lambda: api(TenantFactory.create()),
        "test key": lambda: api(tenant, "test"),
        "shadow tenant": lambda: api(TenantFactory.create(mode="shadow")),
    }[who]()
    foreign = stranger.get(path.format(id=mine))
    unknown = stranger.get(path.format(id=UNKNOWN))
    fresh = stranger.get(path.format(id=ids.show("ntf", ids.new())))
    assert (foreign.status, foreign.code) == (404, "not-found")
    assert foreign.unnamed == unknown.unnamed == fresh.unnamed
    assert {k: v for k, v in foreign.headers.items() if k != "X-Request-Id"} == {
        k: v for k, v in unknown.headers.items() if k != "X-Request-Id"
    }
    assert api(tenant).get(path.format(id=mine)).status == 200


def test_lists_show_only_the_keys_own(tenant: Tenant, mine: str) -> None:
    (tested,) = post(tenant, mode="test")
    stranger = TenantFactory.create()
    (theirs,) = post(stranger)
    assert api(tenant).listed() == [mine]
    assert api(tenant, "test").listed() == [shown(tested)]
    assert api(stranger).listed() == [shown(theirs)]
    assert api(stranger, "test").listed() == []
    assert api(stranger).listed("recipient=ada@recipient.example") == [shown(theirs)]


def test_a_cursor_of_another_is_refused(tenant: Tenant) -> None:
    other = TenantFactory.create()
    for owner in (tenant, other):
        for mode in ("live", "test"):
            post(owner, email(), email(), email(), mode=mode)
    cursor = api(tenant).get(f"{PATH}?limit=1").body["next_cursor"]
    assert api(tenant).get(f"{PATH}?limit=1&cursor={cursor}").status == 200
    for caller in (api(other), api(tenant, "test"), api(other, "test")):
        said = caller.get(f"{PATH}?limit=1&cursor={cursor}")
        assert (said.code, said.errors) == ("bad-query", [("/cursor", "invalid")])
    for query in ("status=queued", "channel=email", "metadata.a=b"):
        said = api(tenant).get(f"{PATH}?limit=1&{query}&cursor={cursor}")
        assert said.errors == [("/cursor", "invalid")]


@pytest.mark.parametrize(("method", "path", "body", "scope"), CALLS)
def test_each_call_needs_its_scope(
    tenant: Tenant, mine: str, method: str, path: str, body: Any, scope: str
) -> None:
    for held in [(), ("providers:read", "providers:write"), tuple(set(ALL_SCOPES) - {scope})]:
        said = ask(api(tenant, scopes=held), method, path, body, mine)
        assert said.status == 403
        if method != "HEAD":
            assert (said.code, said.body["detail"]) == (
                "forbidden",
                f"This key lacks the scope {scope}.",
            )
        unknown = ask(api(tenant, scopes=held), method, path, body, UNKNOWN)
        assert unknown.status == 403
    assert Notification.objects.count() == 1
    said = ask(api(tenant, scopes=(scope,)), method, path, body, mine)
    assert said.status in {200, 202} or said.code in {"not_dead_lettered", "not_held"}


def broken(text: str) -> list[str]:
    return [
        "", "x", text[:-1], text + "0", text.swapcase(), text[:-1] + ("a" if text[-1] != "a" else "b"),
        text[:9] + ("a" if text[9] != "a" else "b") + text[10:], text.replace("live", "test"),
        text.replace("hk_live_", ""), f"{text} {text}", text.replace("_", "-"), text + "\xe9", "0" * 10_000,
        new_key("live"), new_key("test"),
    ]  # fmt: skip


def refused(said: Said) -> Any:
    assert (said.status, said.code) == (401, "unauthenticated")
    assert said.headers["WWW-Authenticate"] == 'Bearer realm="hiram"'
    return said.unnamed


@pytest.mark.parametrize(("method", "path", "body"), [c[:3] for c in CALLS if c[0] != "HEAD"])
def test_a_key_that_is_none_is_refused_for_no_said_reason(
    tenant: Tenant, mine: str, method: str, path: str, body: Any
) -> None:
    expired = make_key(tenant, expires_at=timezone.now() - timedelta(seconds=1))
    key, revoked = issue_key(tenant, name="r", scopes=ALL_SCOPES)
    revoke_key(key, at=timezone.now())
    suspended = make_key(TenantFactory.create(status="suspended"))
    bodies = [
        refused(ask(Api(text), method, path, body, mine))
        for text in (expired, revoked, suspended, *broken(make_key(tenant)))
    ]
    assert all(said == bodies[0] for said in bodies)
    assert Notification.objects.count() == 1


def test_a_key_is_told_in_either_header(tenant: Tenant) -> None:
    text = make_key(tenant)
    for headers in (
        {"X_Api_Key": text}, {"Authorization": f"Bearer {text}"}, {"Authorization": f"bearer  {text} "},
        {"X_Api_Key": f" {text} "}, {"X_Api_Key": "", "Authorization": f"Bearer {text}"},
    ):  # fmt: skip
        assert Api().get(PATH, **headers).status == 200
    for headers in (
        {"Authorization": text}, {"Authorization": f"Basic {text}"}, {"Authorization": f"Bearer{text}"},
        {"X_Api_Key": f"Bearer {text}"}, {"Cookie": f"X-Api-Key={text}"},
        {"X_Api_Key": new_key("live"), "Authorization": f"Bearer {text}"},
    ):  # fmt: skip
        refused(Api().get(PATH, **headers))
    refused(Api().get(f"{PATH}?api_key={text}"))


def test_a_revocation_holds_from_the_next_request(tenant: Tenant, mine: str) -> None:
    key, text = issue_key(tenant, name="r", scopes=ALL_SCOPES)
    caller = Api(text)
    assert caller.get(f"{PATH}/{mine}").status == 200
    revoke_key(key, at=timezone.now())
    refused(caller.get(f"{PATH}/{mine}"))
    refused(caller.post(email()))


def test_a_suspension_holds_from_the_next_request_and_ends(tenant: Tenant, mine: str) -> None:
    caller = api(tenant)
    for status, wanted in (("suspended", 401), ("active", 200), ("suspended", 401)):
        tenant.status = status
        tenant.save(update_fields=["status"])
        assert caller.get(f"{PATH}/{mine}").status == wanted


def test_nothing_of_a_key_is_repeated(tenant: Tenant) -> None:
    text = make_key(tenant)
    for said in (
        Api(text).get(f"{PATH}/{text}"), Api(text).get(f"{PATH}?{text}=1"), Api(text).post({text: 1}),
        Api(text[:-1] + "!").get(PATH), Api(text).get(f"/v1/{text}"),
    ):  # fmt: skip
        assert text[8:] not in str(said.headers)
        if said.code != "invalid" and said.code != "bad-query":
            assert text[8:].encode() not in said.raw


# Every operation that the document has, whoever wrote it.
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in json.loads(document())["paths"].items()
    for method, operation in operations.items()
]
BODIES = {
    "addSenderDomain": {"domain": "mine.example"},
    "putAppSenderConfig": {"locale": "de"},
    "putSenderConfig": {"locale": "de"},
    "addBlock": {"reason": "mine now"},
    "addConsent": {"category": "marketing", "channel": "email", "granted": True},
    "addSuppression": {"channel": "email", "address": "a@x.org"},
    "changePreferences": {"quiet_hours": None},
    "importSuppressions": b"channel,address\n",
    "replacePreferences": {},
    "cancelNotifications": {"cancel_key": "k"},
    "changeUser": {"locale": "fr"},
    "explain": email(),
    "notify": {"content": {"sms": {"body": "x"}}, "to": [{"sms": "+14155550100"}]},
    "putUser": {"locale": "fr"},
    "putUsers": {"users": [{"user_id": "u2"}]},
    "createProvider": {"channel": "email", "driver": "smtp", "name": "n", "settings": {}},
    "changeProvider": {"name": "mine now"},
    "changePolicy": {"on_unknown": "hold"},
    "changeWebhook": {"description": "mine now"},
    "changeTemplate": {"name": "mine now"},
    "changeTemplateVersion": {"default_locale": "en"},
    "createTemplate": {"slug": "a", "channel": "sms", "locales": {"en": {"text": "t"}}},
    "createTemplateVersion": {},
    "previewTemplate": {},
    "publishTemplate": {},
    "putBrand": {"variables": {}},
    "putTemplatePartial": {"body": "x"},
    "resetTemplates": {"slug": "welcome"},
    "rollbackTemplate": {},
    "sendTestOfTemplate": {"recipient": "a@x.org"},
    "createWebhook": {"url": "http://127.0.0.1:9/"},
    "recoverWebhook": {"since": "2026-01-01T00:00:00Z"},
    "dropNotifications": {},
    "releaseNotifications": {},
    "replayDeadLetters": {},
    "testProvider": {"recipient": "a@x.org"},
    "sendNotification": email(),
    "sendNotifications": BATCH_BODY,
}


OWN_IDS = {"putSenderConfig", "putUser"}
"""Operations whose ids are the tenant's own, so that one of another's is simply new."""


def replayed(tenant: Tenant, shown_id: str) -> str:
    """The id of a replay of this notification."""
    replay_id = ids.new()
    Event.objects.create(
        pk=ids.new(),
        tenant=tenant,
        mode="live",
        type="notification.replayed",
        notification_id=ids.parse("ntf", shown_id),
        data={"replay_id": ids.show("rpl", replay_id)},
    )
    return ids.show("rpl", replay_id)


def configured(tenant: Tenant) -> str:
    """An organisation of the tenant's that has a sender config."""
    SenderConfig.objects.create(tenant=tenant, scope="org", scope_id="acme", locale="de")
    return "acme"


def body_of(operation: dict[str, Any]) -> Any:
    return BODIES[operation["operationId"]] if "requestBody" in operation else b""


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [o for o in OPERATIONS if "_id}" in o[1] and o[2]["operationId"] not in OWN_IDS],
)
def test_no_operation_tells_anothers_id_from_an_unknown_one(
    tenant: Tenant, mine: str, method: str, path: str, operation: dict[str, Any]
) -> None:
    provider = ProviderFactory.create(tenant=tenant)
    row, _ = suppress(tenant.pk, "live", "email", "eve@recipient.example", "manual")
    block = Block.objects.create(tenant=tenant, mode="live", channel="sms", reason="x")
    hook, _ = webhooks.add(Owner(tenant.pk, "live"), {"url": "http://127.0.0.1:9/"}, {})
    template = made(Caller(tenant, make_key(tenant)))
    known = {
        "template_id": template, "number": 1,
        "notification_id": mine, "provider_id": ids.show("prv", provider.pk),
        "suppression_id": ids.show("sup", row.pk), "webhook_id": ids.show("whk", hook.pk),
        "replay_id": replayed(tenant, mine), "scope": "org", "scope_id": configured(tenant),
        "block_id": ids.show("blk", block.pk),
        "user_id": make_user(tenant).user_id,
        "request_id": "req_" + "0" * 26, "erasure_id": "ers_" + "0" * 26,
    }  # fmt: skip
    fresh = {
        "template_id": ids.show("tpl", ids.new()), "number": 1,
        "notification_id": ids.show("ntf", ids.new()), "provider_id": ids.show("prv", ids.new()),
        "suppression_id": ids.show("sup", ids.new()), "webhook_id": ids.show("whk", ids.new()),
        "replay_id": ids.show("rpl", ids.new()), "scope": "org", "scope_id": "nobody",
        "block_id": ids.show("blk", ids.new()),
        "user_id": "nobody", "request_id": ids.show("req", ids.new()),
        "erasure_id": ids.show("ers", ids.new()),
    }  # fmt: skip
    stranger = api(TenantFactory.create())
    foreign = stranger.ask(method, path.format(**known), body_of(operation))
    unknown = stranger.ask(method, path.format(**fresh), body_of(operation))
    assert (foreign.status, foreign.code) == (404, "not-found")
    assert foreign.unnamed == unknown.unnamed
    provider.refresh_from_db()
    assert provider.name != "mine now"
    assert Suppression.objects.filter(pk=row.pk).exists()
    assert Block.objects.filter(pk=block.pk).exists()
    assert not Preference.objects.exists()
    assert not Consent.objects.exists()
    hook.refresh_from_db()
    assert hook.description == ""
    assert SenderConfig.objects.get().tenant == tenant
    row_of_it = Template.objects.get(pk=ids.parse("tpl", template))
    assert (row_of_it.name, row_of_it.versions.count()) == ("Password reset", 1)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_every_operation_needs_a_key_and_all_but_one_a_scope(
    tenant: Tenant, mine: str, method: str, path: str, operation: dict[str, Any]
) -> None:
    address = path.format(
        notification_id=mine,
        provider_id="prv_" + "0" * 26,
        category="marketing",
        suppression_id="sup_" + "0" * 26,
        webhook_id="whk_" + "0" * 26,
        replay_id="rpl_" + "0" * 26,
        scope="org",
        scope_id="acme",
        domain="mine.example",
        template_id="tpl_" + "0" * 26,
        number=1,
        name="layout",
        block_id="blk_" + "0" * 26,
        user_id="u1",
        request_id="req_" + "0" * 26,
        erasure_id="ers_" + "0" * 26,
    )
    refused(Api().ask(method, address, body_of(operation)))
    said = api(tenant, scopes=()).ask(method, address, body_of(operation))
    if operation["operationId"] == "handshake":
        assert said.status == 200
    else:
        assert (said.status, said.code) == (403, "forbidden")
