"""What a process keeps of a template ends with the next send after any change of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications.catalog import lookup
from notifications.catalog.parsed import Kept
from notifications.catalog.seeds import seed
from notifications.models import Content, Template, TemplateVersion
from tenants.models import Tenant
from tests.notifications.catalog.texts import DATA, body, made
from tests.tenancy import Caller, caller, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def backend(tenant: Tenant) -> Caller:
    return caller(tenant)


def send(backend: Caller, **fields: Any) -> Any:
    to = {"channel": "email", "recipient": "b@x.example", "template": "auth.reset", "data": DATA}
    return backend.post("/v1/notifications", to | fields)


def asked(backend: Caller, **fields: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert send(backend, **fields).status == 202
    return len(queries)


def subject() -> str:
    return str(Content.objects.latest("id").payload["subject"])


def test_nothing_is_asked_that_did_not_change(tenant: Tenant, backend: Caller) -> None:
    made(backend)
    first, second = asked(backend), asked(backend)
    assert first == second + 1
    other = make_tenant()
    made(caller(other))
    assert asked(backend) == second
    # A draft is not sent.
    where = f"/v1/templates/{made_again(backend)}"
    assert asked(backend) == second
    assert backend.post(f"{where}/publish", {"version": 2}).status == 200
    assert [asked(backend), asked(backend)] == [first, second]


def made_again(backend: Caller) -> str:
    shown = str(backend.get("/v1/templates").body["data"][0]["id"])
    text = {"en": {"subject": "Anew", "text": "{{ reset_url }}"}}
    said = backend.post(f"/v1/templates/{shown}/versions", {"locales": text})
    assert said.status == 201, said.body
    return shown


def publish(backend: Caller, shown: str) -> None:
    made_again(backend)
    assert backend.post(f"/v1/templates/{shown}/publish", {"version": 2}).status == 200


def roll_back(backend: Caller, shown: str) -> None:
    publish(backend, shown)
    assert send(backend).status == 202
    assert subject() == "Anew"
    assert backend.post(f"/v1/templates/{shown}/rollback", {}).status == 200


def disable(backend: Caller, shown: str) -> None:
    values = {"enabled": False, "disabled_reason": "being rewritten"}
    assert backend.patch(f"/v1/templates/{shown}", values).status == 200


def delete(backend: Caller, shown: str) -> None:
    assert backend.delete(f"/v1/templates/{shown}").status in (200, 204)


def delete_behind_our_back(backend: Caller, shown: str) -> None:
    TemplateVersion.objects.all().delete()


def disable_behind_our_back(backend: Caller, shown: str) -> None:
    Template.objects.update(enabled=False)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        (publish, 202, "Anew"),
        (roll_back, 202, "Reset it, there"),
        (disable, 422, "template_disabled"),
        (delete, 422, "unknown_template"),
        (delete_behind_our_back, 422, "unknown_template"),
        (disable_behind_our_back, 422, "template_disabled"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_change_holds_at_once(
    backend: Caller, change: Callable[[Caller, str], None], status: int, said: str
) -> None:
    shown = made(backend)
    for _ in range(2):
        assert send(backend).status == 202
        assert subject() == "Reset it, there"
    change(backend, shown)
    done = send(backend)
    assert done.status == status, done.body
    assert (subject() if status == 202 else done.body["errors"][0]["code"]) == said


def test_it_holds_in_every_process(
    tenant: Tenant, backend: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process is one that keeps for itself."""
    here, there = Kept(), Kept()
    shown = made(backend)

    def sent_by(kept: Kept) -> str:
        monkeypatch.setattr(lookup, "_kept", kept)
        assert send(backend).status == 202
        return subject()

    assert [sent_by(here), sent_by(there)] == ["Reset it, there"] * 2
    publish(backend, shown)
    assert [sent_by(there), sent_by(here)] == ["Anew"] * 2


def test_the_tenants_locale_and_category_hold_at_once(tenant: Tenant, backend: Caller) -> None:
    shown = made(backend)
    assert send(backend).status == 202
    Tenant.objects.filter(pk=tenant.pk).update(locale="de")
    assert send(backend).status == 202
    assert subject() == "Neues Passwort"
    values = {"category": "marketing"}
    assert backend.patch(f"/v1/templates/{shown}", values).status == 200
    made_id = send(backend).body["id"]
    assert backend.get(f"/v1/notifications/{made_id}").body["category"] == "marketing"


def test_what_was_unknown_is_there_once_it_is_published(backend: Caller) -> None:
    assert send(backend).status == 422
    made(backend, body(), publish=False)
    assert send(backend).status == 422
    shown = backend.get("/v1/templates").body["data"][0]["id"]
    assert backend.post(f"/v1/templates/{shown}/publish", {"version": 1}).status == 200
    assert send(backend).status == 202


def test_the_moment_never_goes_back(tenant: Tenant, backend: Caller) -> None:
    read_before = Tenant.objects.get(pk=tenant.pk)
    moments = [read_before.templates_changed_at]
    shown = made(backend)
    for act in (
        lambda: publish(backend, shown),
        lambda: seed(tenant.pk, None),
        lambda: disable(backend, shown),
    ):
        act()
        moments.append(Tenant.objects.get(pk=tenant.pk).templates_changed_at)
    assert moments == sorted(set(moments))
    read_before.name = "renamed"
    read_before.save()
    now = Tenant.objects.get(pk=tenant.pk)
    assert (now.name, now.templates_changed_at) == ("renamed", moments[-1])
