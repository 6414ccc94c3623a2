"""Suppressions in the portal: listed, whichever goes in is found, and let go again."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.test import Client
from django.utils import timezone

from notifications.models import Notification, Suppression
from notifications.suppression import digest, suppress
from portal.admin import suppressions
from tenants.models import Member, Tenant
from tests.factories import email, post
from tests.portal.conftest import People, World

LIST = "/portal/notifications/suppression/"
ADD = f"{LIST}add/"
ADA = "ada@gone.example"
FORM = {"mode": "live", "channel": "email", "recipient": ADA}


def page_of(row: Suppression, page: str = "change") -> str:
    return f"{LIST}{row.pk}/{page}/"


def listed(client: Client, **query: str) -> set[str]:
    """The rows of the list, by their ids."""
    page = client.get(LIST, query).content.decode()
    return set(re.findall(rf'href="{LIST}([0-9a-f-]{{36}})/change/', page))


def made(tenant: Tenant, address: str = ADA, reason: str = "hard_bounce", mode: str = "live",
         channel: str = "email") -> Suppression:  # fmt: skip
    return suppress(tenant.pk, mode, channel, address, reason)[0]


def test_the_list_has_what_is_known(people: People, ours: World) -> None:
    made(ours.tenant, reason="complaint")
    made(ours.tenant, mode="test", reason="manual")
    for who in ("viewer", "operator"):
        page = people[who].get(LIST).content.decode()
        for text in ("complained", "added by hand", "email", "live", "test", ADA):
            assert text in page
        # Only who sees several tenants is told whose each is.
        assert ("column-tenant" in page) == (who == "operator")


@pytest.mark.parametrize(
    "spelt",
    [ADA, f"  {ADA} ", "ADA@Gone.Example", "ada@GONE.example"],
    ids=["as it was", "spaces", "capitals", "domain"],
)
def test_an_address_is_found_however_it_is_spelt(spelt: str, people: People, ours: World) -> None:
    row = made(ours.tenant)
    made(ours.tenant, "eve@gone.example")
    assert listed(people["viewer"], q=spelt) == {str(row.pk)}


def test_domains_and_numbers_are_found_as_requests_take_them(people: People, ours: World) -> None:
    mail = made(ours.tenant, "ada@xn--bcher-kva.example")
    number = made(ours.tenant, "+14155550100", channel="sms")
    assert listed(people["viewer"], q="Ada@Bücher.example") == {str(mail.pk)}
    assert listed(people["viewer"], q="+1 415 555 0100") == {str(number.pk)}


def test_what_no_channel_would_take_is_found_as_a_vendor_spelt_it(
    people: People, ours: World
) -> None:
    row = made(ours.tenant, '"a b"@gone.example')
    assert listed(people["viewer"], q='"a b"@gone.example') == {str(row.pk)}


@pytest.mark.parametrize(
    "term",
    ["ada", "gone.example", "ada@gone", "ada+x@gone.example", "%", "x" * 9_000],
    ids=["local part", "domain", "beginning", "tag", "wildcard", "long"],
)
def test_a_part_of_an_address_finds_nothing(term: str, people: People, ours: World) -> None:
    made(ours.tenant)
    assert listed(people["owner"], q=term) == set()


def test_each_mode_has_its_own_and_all_are_found(people: People, ours: World) -> None:
    rows = {mode: str(made(ours.tenant, mode=mode).pk) for mode in ("live", "test")}
    assert listed(people["viewer"], q=ADA) == set(rows.values())
    assert listed(people["viewer"], q=ADA, mode="test") == {rows["test"]}


def test_filters_narrow_it(people: People, ours: World) -> None:
    bounced, complained = made(ours.tenant), made(ours.tenant, "eve@gone.example", "complaint")
    assert listed(people["viewer"], reason="complaint") == {str(complained.pk)}
    assert listed(people["viewer"], channel="email") == {str(bounced.pk), str(complained.pk)}
    assert listed(people["viewer"], channel="sms") == set()


def test_nobody_finds_the_same_address_of_another_tenant(
    people: People, ours: World, theirs: World
) -> None:
    foreign = made(theirs.tenant)
    assert listed(people["owner"], q=ADA) == set()
    own = made(ours.tenant)
    assert listed(people["owner"], q=ADA) == {str(own.pk)}
    assert listed(people["operator"], q=ADA) == {str(own.pk), str(foreign.pk)}
    chosen = str(theirs.tenant.pk)
    assert listed(people["operator"], q=ADA, tenant=chosen) == {str(foreign.pk)}
    Member.objects.create(tenant=theirs.tenant, user=people.users["owner"], role="viewer")
    assert listed(people["owner"], q=ADA) == {str(own.pk), str(foreign.pk)}


def test_of_too_many_tenants_one_is_to_be_chosen(
    people: People, ours: World, theirs: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppressions, "TENANTS", 1)
    row = made(ours.tenant)
    page = people["operator"].get(LIST, {"q": ADA}).content.decode()
    assert "choose one" in page
    assert str(row.pk) not in page
    found = listed(people["operator"], q=ADA, tenant=str(ours.tenant.pk))
    assert found == {str(row.pk)}


def came_back(tenant: Tenant, address: str, status: str = "bounced") -> Notification:
    [row] = post(tenant, email(recipient=address))
    rows = Notification.objects.filter(pk=row.pk)
    rows.update(status=status, reason="hard_bounce", settled_at=timezone.now())
    return rows.get()


def test_the_notification_that_caused_it_is_linked(
    people: People, ours: World, theirs: World
) -> None:
    came_back(ours.tenant, "eve@gone.example")
    foreign = came_back(theirs.tenant, ADA)
    cause = came_back(ours.tenant, ADA)
    row = made(ours.tenant)
    page = people["viewer"].get(page_of(row)).content.decode()
    links = re.findall(r"/portal/notifications/notification/([0-9a-f-]{36})/change/", page)
    assert links == [str(cause.pk)]
    assert str(foreign.pk) not in page
    assert "An earlier message to this address came back for good." in page


def test_where_it_is_not_known_nothing_is_linked(people: People, ours: World) -> None:
    came_back(ours.tenant, ADA)
    by_hand = made(ours.tenant, reason="manual")
    complained = made(ours.tenant, "eve@gone.example", "complaint")
    came_back(ours.tenant, "bob@gone.example")
    before = made(ours.tenant, "bob@gone.example")
    Suppression.objects.filter(pk=before.pk).update(created_at=timezone.now() - timedelta(days=1))
    for row in (by_hand, complained, before):
        page = people["viewer"].get(page_of(row)).content.decode()
        assert "/portal/notifications/notification/" not in page.split('id="content"')[-1]


def test_allowing_again_is_asked_for_and_logged(people: People, ours: World) -> None:
    row, other = made(ours.tenant), made(ours.tenant, "eve@gone.example")
    assert page_of(row, "allow") in people["developer"].get(page_of(row)).content.decode()
    assert page_of(row, "allow") not in people["viewer"].get(page_of(row)).content.decode()
    assert people["developer"].get(page_of(row, "allow")).status_code == 200
    assert people["viewer"].post(page_of(row, "allow")).status_code == 403
    assert Suppression.objects.filter(pk=row.pk).exists()
    done = people["developer"].post(page_of(row, "allow"), follow=True)
    assert "may be written to again" in done.content.decode()
    assert list(Suppression.objects.all()) == [other]
    [entry] = LogEntry.objects.filter(object_id=str(row.pk))
    assert (entry.user, entry.action_flag) == (people.users["developer"], DELETION)
    assert entry.change_message == "Allowed again."
    assert people["developer"].post(page_of(row, "allow")).status_code == 404
    [sent] = post(ours.tenant, email(recipient=ADA))
    assert Notification.objects.get(pk=sent.pk).status == "accepted"


@pytest.mark.parametrize("who", ["viewer", "developer", "owner", "operator"])
def test_one_is_never_edited_nor_deleted_otherwise(who: str, people: People, ours: World) -> None:
    row = made(ours.tenant)
    before = Suppression.objects.filter(pk=row.pk).values().get()
    for page in ("change", "delete"):
        given = FORM | {"post": "yes", "reason": "manual"}
        assert people[who].post(page_of(row, page), given).status_code == 403
    assert Suppression.objects.filter(pk=row.pk).values().get() == before


def test_an_erased_address_is_found_and_not_shown(people: People, ours: World) -> None:
    row = made(ours.tenant)
    Suppression.objects.update(recipient=None)
    assert listed(people["viewer"], q=ADA) == {str(row.pk)}
    for page in (LIST, page_of(row)):
        assert ADA not in people["viewer"].get(page).content.decode()


@pytest.mark.django_db(transaction=True)
def test_an_address_is_added_and_what_is_owed_to_it_ends(people: People, ours: World) -> None:
    [owed] = post(ours.tenant, email(recipient=ADA))
    done = people["developer"].post(ADD, FORM | {"recipient": " ADA@Gone.example"}, follow=True)
    row = Suppression.objects.get(tenant=ours.tenant)
    assert (row.mode, row.channel, row.reason) == ("live", "email", "manual")
    assert (row.source, row.recipient) == ("portal", "ADA@gone.example")
    assert Notification.objects.get(pk=owed.pk).reason == "suppression:manual"
    assert bytes(row.address) == digest(ours.tenant.pk, "email", ADA)
    assert done.status_code == 200
    for entry in LogEntry.objects.all():
        assert ADA not in f"{entry.object_repr} {entry.change_message}".lower()
    again = people["owner"].post(ADD, FORM)
    assert "It is in the list already." in again.content.decode()
    assert Suppression.objects.count() == 1
    [refused] = post(ours.tenant, email(recipient=ADA))
    assert Notification.objects.get(pk=refused.pk).status == "suppressed"


@pytest.mark.parametrize(
    "wrong",
    [{"recipient": ""}, {"recipient": "nobody"}, {"recipient": "x" * 600}, {"channel": "pigeon"},
     {"channel": "sms"}, {"mode": "shadow"}, {"recipient": "a\x00@x.example"}],
    ids=["none", "no address", "long", "channel", "other channel", "mode", "nul"],
)  # fmt: skip
def test_a_wrong_form_adds_none(wrong: dict[str, str], people: People, ours: World) -> None:
    assert people["owner"].post(ADD, FORM | wrong).status_code == 200
    assert not Suppression.objects.exists()


def test_a_shadow_tenants_live_ones_are_shadow(people: People, ours: World) -> None:
    Tenant.objects.filter(pk=ours.tenant.pk).update(mode="shadow")
    people["owner"].post(ADD, FORM)
    assert Suppression.objects.get().mode == "shadow"


def test_the_tenant_of_a_form_is_never_believed(
    people: People, ours: World, theirs: World
) -> None:
    people["owner"].post(ADD, FORM | {"tenant": str(theirs.tenant.pk)})
    assert Suppression.objects.get().tenant == ours.tenant
    assert "This field is required" in people["operator"].post(ADD, FORM).content.decode()
    people["operator"].post(ADD, FORM | {"tenant": str(theirs.tenant.pk)})
    assert Suppression.objects.filter(tenant=theirs.tenant).count() == 1
