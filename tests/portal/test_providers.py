"""Providers in the portal: forms from the driver's declaration, secrets one way, a real test."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from delivery.accounts import reports_to
from delivery.models import ProviderHealth
from delivery.shelves import drivers
from tenants.models import Member, Provider, Tenant
from tests.portal.conftest import CANARY, People, World, make_user
from tests.tenancy import together

ADD = "/portal/tenants/provider/add/?driver=smtp"
SECRET = "s3cret-of-the-mail-server"
FORM = {
    "name": "primary",
    "priority": "10",
    "weight": "1",
    "enabled": "on",
    "settings_host": "127.0.0.1",
    "settings_port": "2525",
    "settings_security": "none",
    "settings_username": "",
    "settings_from_email": "hello@sender.example",
    "settings_from_name": "",
    "settings_allowed_from": "a@sender.example\r\n\r\n@news.example ",
    "credentials_password": "",
}


def _change(provider: Provider) -> str:
    return f"/portal/tenants/provider/{provider.pk}/change/"


def _form_of(provider: Provider, **changes: str) -> dict[str, str]:
    given = {
        f"settings_{name}": "\n".join(value) if isinstance(value, list) else str(value)
        for name, value in provider.settings.items()
    }
    common = {"name": provider.name, "priority": str(provider.priority)}
    common |= {"weight": str(provider.weight), "enabled": "on"}
    return common | given | changes


def _make(people: People, **fields: str) -> Provider:
    response = people["developer"].post(ADD, FORM | fields)
    assert response.status_code == 302, response.content.decode()
    return Provider.objects.get(name=fields.get("name", "primary"))


def test_a_driver_is_chosen_first(people: People) -> None:
    page = people["developer"].get("/portal/tenants/provider/add/").content.decode()
    offered = [name for name in drivers if f'href="?driver={name}"' in page]
    assert offered == list(drivers)
    odd = people["developer"].get("/portal/tenants/provider/add/?driver=../x").content.decode()
    assert 'href="?driver=smtp"' in odd


@pytest.mark.parametrize("name", list(drivers))
def test_each_drivers_form_has_its_declared_fields(name: str, people: People) -> None:
    page = people["owner"].get(f"/portal/tenants/provider/add/?driver={name}").content.decode()
    for group in ("settings", "credentials"):
        for field in getattr(drivers[name], group).__dataclass_fields__.values():
            assert f'name="{group}_{field.name}"' in page
            assert field.metadata["label"] in page.replace("&#x27;", "'")


def test_a_provider_is_made_from_the_form(people: People, ours: World) -> None:
    provider = _make(people, credentials_password=SECRET, settings_username="me")
    assert (provider.tenant, provider.driver, provider.channel) == (ours.tenant, "smtp", "email")
    assert (provider.priority, provider.enabled, provider.shared) == (10, True, False)
    assert provider.settings == {
        "host": "127.0.0.1",
        "port": 2525,
        "security": "none",
        "username": "me",
        "from_email": "hello@sender.example",
        "allowed_from": ["a@sender.example", "@news.example"],
    }
    assert provider.open() == {"password": SECRET}
    assert SECRET.encode() not in bytes(provider.sealed)


def test_what_the_driver_refuses_is_said_at_the_field(people: People) -> None:
    wrong = {"settings_host": "", "settings_port": "many", "settings_security": "maybe"}
    page = people["developer"].post(ADD, FORM | wrong).content.decode()
    assert page.count("This field is required.") == 1
    assert "Enter a whole number." in page
    assert "maybe is not one of the available choices." in page
    odd = people["developer"].post(ADD, FORM | {"settings_from_email": "nobody\x01"})
    assert odd.status_code == 200
    assert not Provider.objects.filter(name="primary").exists()


def test_a_name_is_once_in_a_tenant(people: People, theirs: World) -> None:
    _make(people)
    again = people["developer"].post(ADD, FORM)
    assert again.status_code == 200
    assert Provider.objects.filter(name="primary").count() == 1
    # Another tenant's name is free, and says nothing.
    taken = people["developer"].post(ADD, FORM | {"name": f"{CANARY} provider"})
    assert taken.status_code == 302
    assert Provider.objects.filter(name=f"{CANARY} provider").count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_with_one_name_one_is_made() -> None:
    tenant = Tenant.objects.create(name="race")
    user = make_user("racer@people.example")
    Member.objects.create(tenant=tenant, user=user, role="owner")

    def make(_: int) -> int:
        client = Client()
        client.force_login(user)
        return client.post(ADD, FORM).status_code

    for _ in range(5):
        assert set(together(2, make)) <= {200, 302}
        assert Provider.objects.filter(tenant=tenant).count() == 1
        Provider.objects.all().delete()


def test_a_name_is_one_line(people: People) -> None:
    assert people["developer"].post(ADD, FORM | {"name": "a\nb"}).status_code == 200
    assert not Provider.objects.filter(priority=10).exists()


@pytest.mark.parametrize("who", ["developer", "owner"])
def test_neither_tenant_nor_driver_nor_share_is_believed(
    who: str, people: People, ours: World, theirs: World
) -> None:
    forged = {"tenant": str(theirs.tenant.pk), "driver": "resend", "shared": "on"}
    people[who].post(ADD, FORM | forged)
    provider = Provider.objects.get(name="primary")
    assert (provider.tenant, provider.driver, provider.shared) == (ours.tenant, "smtp", False)


def test_secrets_go_in_and_never_come_out(people: People) -> None:
    provider = _make(people, credentials_password=SECRET, settings_username="me")
    for who in ("viewer", "developer", "owner", "operator"):
        for url in (
            _change(provider),
            _change(provider).replace("change", "history"),
            _change(provider).replace("change", "test"),
            _change(provider).replace("change", "delete"),
            "/portal/tenants/provider/",
        ):
            assert SECRET not in people[who].get(url).content.decode()
    # Nor in a form that is shown again because something else is wrong.
    wrong = FORM | {"name": "other", "credentials_password": SECRET, "settings_port": "x"}
    assert SECRET not in people["developer"].post(ADD, wrong).content.decode()
    for entry in LogEntry.objects.all():
        assert SECRET not in entry.change_message


def test_an_empty_secret_stays_a_given_one_replaces(people: People) -> None:
    provider = _make(people, credentials_password=SECRET, settings_username="me")
    kept = people["owner"].post(
        _change(provider), _form_of(provider, settings_from_name="New", priority="20")
    )
    assert kept.status_code == 302
    provider.refresh_from_db()
    assert (provider.settings["from_name"], provider.priority) == ("New", 20)
    assert provider.open() == {"password": SECRET}
    people["owner"].post(_change(provider), _form_of(provider, credentials_password="another"))
    provider.refresh_from_db()
    assert provider.open() == {"password": "another"}


@pytest.mark.parametrize(("field", "value"), [("settings_host", "localhost")])
def test_a_kept_secret_is_not_sent_to_another_place(
    field: str, value: str, people: People
) -> None:
    provider = _make(people, credentials_password=SECRET, settings_username="me")
    moved = _form_of(provider, **{field: value})
    refused = people["developer"].post(_change(provider), moved)
    assert "enter them again" in refused.content.decode()
    provider.refresh_from_db()
    assert str(provider.settings[field.removeprefix("settings_")]) != value
    done = people["developer"].post(_change(provider), moved | {"credentials_password": "another"})
    assert done.status_code == 302
    provider.refresh_from_db()
    assert str(provider.settings[field.removeprefix("settings_")]) == value


def test_an_emptied_setting_is_gone(people: People) -> None:
    provider = _make(people, settings_from_name="Shop")
    people["owner"].post(
        _change(provider), _form_of(provider, settings_from_name="", settings_allowed_from="")
    )
    provider.refresh_from_db()
    assert "from_name" not in provider.settings
    assert "allowed_from" not in provider.settings


def test_saving_ends_a_pause_and_disabling_shows(people: People, ours: World) -> None:
    page = people["viewer"].get(_change(ours.provider)).content.decode()
    assert "Paused since" in page
    assert "OUR detail" in page
    assert (
        people["developer"].post(_change(ours.provider), _form_of(ours.provider)).status_code
        == 302
    )
    health = ProviderHealth.objects.get(provider=ours.provider)
    assert (health.paused_at, health.reason) == (None, None)
    people["developer"].post(_change(ours.provider), _form_of(ours.provider) | {"enabled": ""})
    ours.provider.refresh_from_db()
    assert ours.provider.enabled is False


def test_only_the_system_tenants_providers_are_shared(people: People, ours: World) -> None:
    form = _form_of(ours.provider, shared="on")
    refused = people["operator"].post(_change(ours.provider), form)
    assert "Only the system tenant" in refused.content.decode()
    ours.tenant.is_system = True
    ours.tenant.save(update_fields=["is_system"])
    assert people["operator"].post(_change(ours.provider), form).status_code == 302
    ours.provider.refresh_from_db()
    assert ours.provider.shared is True
    # A member's form does not touch it.
    people["owner"].post(_change(ours.provider), _form_of(ours.provider))
    ours.provider.refresh_from_db()
    assert ours.provider.shared is True


def test_a_provider_whose_driver_is_gone_is_still_shown(people: People, ours: World) -> None:
    Provider.objects.filter(pk=ours.provider.pk).update(driver="carrier_pigeon")
    for who in ("viewer", "owner", "operator"):
        page = people[who].get(_change(ours.provider))
        assert page.status_code == 200
        assert "carrier_pigeon" in page.content.decode()
    assert people["owner"].get(_change(ours.provider).replace("change", "test")).status_code == 404


def test_unreadable_secrets_have_to_be_given_again(people: People) -> None:
    provider = _make(people, credentials_password=SECRET, settings_username="me")
    Provider.objects.filter(pk=provider.pk).update(sealed=b"\x01broken")
    page = people["owner"].get(_change(provider))
    assert page.status_code == 200
    assert "Leave it empty to keep it" not in page.content.decode()


def test_a_provider_is_deleted_after_asking(people: People, ours: World) -> None:
    url = _change(ours.provider).replace("change", "delete")
    assert people["developer"].get(url).status_code == 200
    assert Provider.objects.filter(pk=ours.provider.pk).exists()
    assert people["developer"].post(url, {"post": "yes"}).status_code == 302
    assert not Provider.objects.filter(pk=ours.provider.pk).exists()


def test_what_a_provider_says_is_text(people: People, ours: World) -> None:
    ProviderHealth.objects.filter(provider=ours.provider).update(
        detail="<script>alert(1)</script>"
    )
    for url in (_change(ours.provider), "/portal/"):
        page = people["owner"].get(url).content.decode()
        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_settings_of_any_json_are_shown(people: People, ours: World) -> None:
    odd: dict[str, Any] = {"host": {"a": [1]}, "unknown": None}
    Provider.objects.filter(pk=ours.provider.pk).update(settings=odd)
    assert people["viewer"].get(_change(ours.provider)).status_code == 200
    assert people["owner"].get(_change(ours.provider)).status_code == 200


def test_the_callback_url_is_there_to_copy_for_those_who_set_up(
    people: People, ours: World
) -> None:
    provider = Provider(tenant=ours.tenant, name="resend", channel="email", driver="resend")
    provider.settings = {"from_email": "shop@sender.example"}
    provider.seal({"api_key": "re_1"})
    provider.save()
    url = str(reports_to(provider))
    for who in ("developer", "admin", "owner"):
        assert (
            f'id="callback-url">{url}</pre>' in people[who].get(_change(provider)).content.decode()
        )
    token = url.rpartition("/")[2]
    assert token not in people["viewer"].get(_change(provider)).content.decode()
    mute = _make(people)
    assert "callback" not in people["owner"].get(_change(mute)).content.decode().lower()
