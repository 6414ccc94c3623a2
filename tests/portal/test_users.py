"""A tenant's users in the portal: looked for, looked at, erased."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from notifications.models import Consent, Erasure, Notification, Preference, Subscriber
from tenants.models import CategoryPolicy, Tenant
from tests.factories import email, to_user
from tests.portal.conftest import People, World

LIST = "/portal/notifications/subscriber/"
EVIL = "<script>alert(1)</script>"
ADA = "ada@x.example"


def page_of(row: Subscriber, page: str = "change") -> str:
    return f"{LIST}{row.pk}/{page}/"


def made(tenant: Tenant, user_id: str = "u1", **fields: Any) -> Subscriber:
    given = {"mode": "live", "addresses": {"email": ADA}} | fields
    return Subscriber.objects.create(tenant=tenant, user_id=user_id, **given)


def listed(client: Client, **query: str) -> set[str]:
    """The rows of the list, by their ids."""
    page = client.get(LIST, query).content.decode()
    return set(re.findall(rf'href="{LIST}([0-9a-f-]{{36}})/change/', page))


def said(response: Any) -> str:
    return str(response.content.decode())


def test_one_is_found_by_id_and_by_address(people: People, ours: World, theirs: World) -> None:
    made(theirs.tenant)
    ada = made(ours.tenant)
    bob = made(ours.tenant, "u2", addresses={"sms": "+14155550100"}, mode="test")
    viewer = people["viewer"]
    assert listed(viewer) == {str(ada.pk), str(bob.pk)}
    assert listed(viewer, q="u1") == {str(ada.pk)}
    for spelt in (ADA, " ada@X.example "):
        assert listed(viewer, q=spelt) == {str(ada.pk)}
    assert listed(viewer, q="+1 415 555 0100") == {str(bob.pk)}
    assert listed(viewer, mode="test") == {str(bob.pk)}
    for part in ("u", "ada", "x.example", "%", "x" * 5_000):
        assert listed(viewer, q=part) == set()


def test_the_list_asks_as_much_for_many(people: People, ours: World) -> None:
    viewer = people["viewer"]

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert viewer.get(LIST).status_code == 200
        return len(queries)

    made(ours.tenant)
    few = asked()
    for number in range(8):
        made(ours.tenant, f"n{number}")
    assert asked() == few


def test_the_page_says_all_that_is_known(people: People, ours: World) -> None:
    row = made(ours.tenant, locale="de-AT", timezone="Europe/Vienna", attributes={"plan": EVIL})
    of = {"tenant": ours.tenant, "mode": "live", "user_id": "u1"}
    Preference.objects.create(
        **of,
        categories={"marketing": {"email": True}, "operational": {"sms": False}},
        templates={"auth.reset": {"sms": False}},
        quiet_hours={"start": "22:00", "end": "07:00"},
    )
    Consent.objects.create(
        **of, category="marketing", channel="email", granted=True, text=EVIL, source="signup"
    )
    CategoryPolicy.objects.create(tenant=ours.tenant, category="transactional", required=True)
    [sent] = to_user(ours.tenant, "u1", email(subject=EVIL))
    page = said(people["viewer"].get(page_of(row)))
    for text in ("u1", ADA, "de-AT", "Europe/Vienna", "auth.reset", "22:00 to 07:00", "granted",
                 "signup", "required", "said so", "nothing said", str(sent.pk)):  # fmt: skip
        assert text in page
    assert EVIL not in page
    # The attribute, the consent's text and the notification's subject.
    assert page.count(escape(EVIL)) == 3
    assert "/erase/" not in page


def test_another_modes_or_tenants_are_not_shown(
    people: People, ours: World, theirs: World
) -> None:
    row = made(ours.tenant, mode="test")
    of = {"user_id": "u1", "category": "marketing", "channel": "email", "granted": True}
    Consent.objects.create(tenant=ours.tenant, mode="live", source="other mode", **of)
    Consent.objects.create(tenant=theirs.tenant, mode="test", source="other tenant", **of)
    [sent] = to_user(ours.tenant, "u1", email(), mode="live")
    page = said(people["viewer"].get(page_of(row)))
    for text in ("other mode", "other tenant", str(sent.pk)):
        assert text not in page


def test_what_each_category_means_is_as_sends_take_it(people: People, ours: World) -> None:
    row = made(ours.tenant)
    shown = people["viewer"].get(page_of(row)).context["wants"]["categories"]
    found = {(category, channel): yes for category, now in shown for channel, yes, _ in now}
    assert found["transactional", "email"] is True
    assert found["marketing", "email"] is False
    assert found["operational", "sms"] is True


@pytest.mark.parametrize("who", ["viewer", "developer"])
def test_who_may_not_erase_sees_no_button(who: str, people: People, ours: World) -> None:
    row = made(ours.tenant)
    assert "/erase/" not in said(people[who].get(page_of(row)))
    assert people[who].get(page_of(row, "erase")).status_code == 403
    assert people[who].post(page_of(row, "erase"), {"user_id": "u1"}).status_code == 403
    assert Subscriber.objects.filter(pk=row.pk).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("who", ["admin", "owner", "operator"])
def test_one_is_erased_after_its_id_is_typed(who: str, people: People, ours: World) -> None:
    row = made(ours.tenant, "Ünal 1")
    [owed] = to_user(ours.tenant, "Ünal 1", email(recipient=ADA))
    assert page_of(row, "erase") in said(people[who].get(page_of(row)))
    for wrong in ("", "Ünal", "Ünal 2", "x" * 300):
        asked = people[who].post(page_of(row, "erase"), {"user_id": wrong})
        assert asked.status_code == 200
        assert Subscriber.objects.filter(pk=row.pk).exists()
    done = people[who].post(page_of(row, "erase"), {"user_id": "Ünal 1"}, follow=True)
    assert "The user is erased. The certificate is ers_" in said(done)
    assert not Subscriber.objects.filter(pk=row.pk).exists()
    assert Erasure.objects.filter(tenant=ours.tenant).count() == 1
    found = Notification.objects.get(pk=owed.pk)
    assert (found.status, found.recipient) == ("canceled", "")
    [entry] = LogEntry.objects.filter(object_id=str(row.pk))
    assert (entry.action_flag, entry.object_repr) == (DELETION, str(row.pk))
    assert people[who].get(page_of(row)).status_code == 404


@pytest.mark.parametrize("who", ["viewer", "developer", "owner", "operator"])
def test_one_is_never_edited_nor_deleted_otherwise(who: str, people: People, ours: World) -> None:
    row = made(ours.tenant)
    for page in ("change", "delete"):
        given = {"post": "yes", "user_id": "x"}
        assert people[who].post(page_of(row, page), given).status_code == 403
    assert Subscriber.objects.get().user_id == "u1"


def test_hostile_ids_are_escaped(people: People, ours: World) -> None:
    row = made(ours.tenant, EVIL, addresses={})
    for url in (LIST, page_of(row), page_of(row, "erase")):
        page = said(people["owner"].get(url))
        assert EVIL not in page
        assert escape(EVIL) in page
