"""Blocks in the portal: listed, added so that what is owed ends, lifted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.utils import timezone
from django.utils.html import escape

from notifications.models import Block, Notification
from tenants.models import Tenant
from tests.factories import email, post
from tests.portal.conftest import People, World

LIST = "/portal/notifications/block/"
ADD = f"{LIST}add/"
EVIL = "<script>alert(1)</script>"
FORM = {"mode": "live", "channel": "email", "reason": "Wrong prices", "expires_at": ""}


def page_of(row: Block, page: str = "change") -> str:
    return f"{LIST}{row.pk}/{page}/"


def made(tenant: Tenant, **fields: object) -> Block:
    given = {"mode": "live", "channel": "email", "reason": "Wrong prices"} | fields
    return Block.objects.create(tenant=tenant, **given)


def test_the_list_and_the_page_say_what_is_known(people: People, ours: World) -> None:
    row = made(ours.tenant, channel=None, reason=EVIL)
    over = made(ours.tenant, expires_at=timezone.now() - timedelta(days=1))
    page = people["viewer"].get(LIST).content.decode()
    for text in ("all channels", "email", "expired", "blocks", escape(EVIL)):
        assert text in page
    assert EVIL not in page
    for one in (row, over):
        shown = people["viewer"].get(page_of(one)).content.decode()
        assert EVIL not in shown
        assert "/lift/" not in shown
        assert page_of(one, "lift") in people["developer"].get(page_of(one)).content.decode()


@pytest.mark.django_db(transaction=True)
def test_one_is_added_and_what_is_owed_ends(people: People, ours: World) -> None:
    [owed] = post(ours.tenant, email())
    assert people["viewer"].post(ADD, FORM).status_code == 403
    done = people["developer"].post(ADD, FORM | {"channel": ""}, follow=True)
    row = Block.objects.get(tenant=ours.tenant)
    assert (row.channel, row.mode, row.reason) == (None, "live", "Wrong prices")
    assert row.expires_at is None
    assert "ended as suppressed" in done.content.decode()
    found = Notification.objects.get(pk=owed.pk)
    assert (found.status, found.reason) == ("suppressed", "block")
    again = people["developer"].post(ADD, FORM | {"channel": ""})
    assert "There is this block already." in again.content.decode()
    assert Block.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [{"reason": ""}, {"reason": "x" * 501}, {"reason": "a\x07b"}, {"channel": "pigeon"},
     {"mode": "shadow"}, {"expires_at": "2020-01-01 12:00"}, {"expires_at": "soon"}],
    ids=["none", "long", "control", "channel", "mode", "past", "no time"],
)  # fmt: skip
def test_a_wrong_form_adds_none(wrong: dict[str, str], people: People, ours: World) -> None:
    response = people["owner"].post(ADD, FORM | wrong)
    assert response.status_code == 200
    assert set(wrong) <= set(response.context["adminform"].form.errors)
    assert not Block.objects.exists()


def test_it_ends_when_it_says(people: People, ours: World) -> None:
    until = (timezone.now() + timedelta(days=2)).strftime("%Y-%m-%d %H:%M")
    people["owner"].post(ADD, FORM | {"expires_at": until})
    expires_at = Block.objects.get().expires_at
    assert expires_at is not None
    assert f"{expires_at:%Y-%m-%d %H:%M}" == until


def test_a_shadow_tenants_live_ones_are_shadow(people: People, ours: World) -> None:
    Tenant.objects.filter(pk=ours.tenant.pk).update(mode="shadow")
    people["owner"].post(ADD, FORM)
    assert Block.objects.get().mode == "shadow"


def test_the_tenant_of_a_form_is_never_believed(
    people: People, ours: World, theirs: World
) -> None:
    people["owner"].post(ADD, FORM | {"tenant": str(theirs.tenant.pk)})
    assert Block.objects.get().tenant == ours.tenant


def test_lifting_is_asked_for_and_logged(people: People, ours: World) -> None:
    row, other = made(ours.tenant), made(ours.tenant, channel="sms")
    assert people["viewer"].post(page_of(row, "lift")).status_code == 403
    assert people["developer"].get(page_of(row, "lift")).status_code == 200
    assert Block.objects.count() == 2
    done = people["developer"].post(page_of(row, "lift"), follow=True)
    assert "The block is lifted." in done.content.decode()
    assert list(Block.objects.all()) == [other]
    [entry] = LogEntry.objects.filter(object_id=str(row.pk))
    assert (entry.action_flag, entry.change_message) == (DELETION, "Lifted.")
    assert people["developer"].post(page_of(row, "lift")).status_code == 404
    [sent] = post(ours.tenant, email())
    assert Notification.objects.get(pk=sent.pk).status == "accepted"


@pytest.mark.parametrize("who", ["viewer", "developer", "owner", "operator"])
def test_one_is_never_edited_nor_deleted_otherwise(who: str, people: People, ours: World) -> None:
    row = made(ours.tenant)
    for page in ("change", "delete"):
        assert people[who].post(page_of(row, page), FORM | {"post": "yes"}).status_code == 403
    assert Block.objects.get() == row
