"""The explain form: what would become of a send, said in words, and nothing written."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils.html import escape

from delivery.models import ProviderHealth
from notifications.models import Block, Event, Notification, Subscriber
from notifications.suppression import suppress
from tenants.models import Member, Tenant
from tests.portal.conftest import CANARY, People, World, make_template

PATH = "/portal/explain/"
EVIL = "<script>alert(1)</script>"
ADA = "ada@x.example"
FORM = {
    "mode": "live", "channel": "email", "recipient": ADA, "subject": "Hi", "body": "Hello.",
}  # fmt: skip


def said(response: Any) -> str:
    return str(response.content.decode()).split('id="content"')[-1]


def stored() -> tuple[int, int]:
    return Notification.objects.count(), Event.objects.count()


@pytest.mark.parametrize("who", ["viewer", "developer", "owner"])
def test_each_member_asks_and_nothing_is_written(who: str, people: People, ours: World) -> None:
    # It is paused until then.
    ProviderHealth.objects.filter(tenant=ours.tenant).delete()
    before = stored()
    assert "Nothing is written" in said(people[who].get(PATH))
    page = said(people[who].post(PATH, FORM | {"subject": EVIL, "body": EVIL}))
    assert "It would be accepted, and sent at once" in page
    assert ADA in page
    assert ours.provider.name in page
    assert EVIL not in page
    assert escape(EVIL) in page
    assert stored() == before


@pytest.mark.parametrize("who", ["anonymous", "outsider"])
def test_strangers_do_not(who: str, people: People) -> None:
    assert people[who].post(PATH, FORM).status_code == 302


def test_why_nothing_would_be_sent_is_said(people: People, ours: World) -> None:
    suppress(ours.tenant.pk, "live", "email", ADA, "complaint")
    page = said(people["viewer"].post(PATH, FORM))
    assert "Nothing would be sent" in page
    assert "complained" in page
    Block.objects.create(tenant=ours.tenant, mode="test", channel=None, reason="Wrong")
    assert "Nothing would be sent" in said(people["viewer"].post(PATH, FORM | {"mode": "test"}))


def test_where_nobody_can_carry_it_that_is_said(people: People, ours: World) -> None:
    asked = {"mode": "live", "channel": "sms", "recipient": "+14155550100", "body": "Hello."}
    page = said(people["viewer"].post(PATH, asked))
    assert "It would be accepted, and wait" in page
    assert "No provider is set up for this channel." in page


def test_a_template_says_its_text_to_a_user(people: People, ours: World) -> None:
    make_template(ours.tenant, text="Hello")
    Subscriber.objects.create(
        tenant=ours.tenant, mode="live", user_id="u1", addresses={"email": ADA}
    )
    asked = {"mode": "live", "channel": "email", "user_id": "u1", "template": "auth.reset",
             "given": '{"who": "Ada"}'}  # fmt: skip
    page = said(people["viewer"].post(PATH, asked))
    assert "auth.reset, version 1, in en" in page
    assert "Hello Ada." in page
    assert 'sandbox=""' in page
    assert ADA in page


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"recipient": "nobody"}, "recipient"),
        ({"recipient": ""}, None),
        ({"channel": "pigeon"}, "channel"),
        ({"given": "{"}, "given"),
        ({"template": "nosuch", "subject": "", "body": ""}, "template"),
        ({"user_id": "nobody", "recipient": ""}, "user_id"),
        ({"mode": "shadow"}, "mode"),
    ],
    ids=["address", "nobody", "channel", "json", "template", "user", "mode"],
)
def test_what_would_be_refused_is_said_at_its_field(
    wrong: dict[str, str], field: str | None, people: People, ours: World
) -> None:
    response = people["viewer"].post(PATH, FORM | wrong)
    assert response.status_code == 200
    errors = response.context["form"].errors
    assert errors
    assert field is None or field in errors
    assert response.context["found"] is None


def test_anothers_template_users_and_tenant_are_unknown(
    people: People, ours: World, theirs: World
) -> None:
    make_template(theirs.tenant, text=CANARY)
    asked = FORM | {"template": "auth.reset", "subject": "", "body": ""}
    response = people["owner"].post(PATH, asked | {"tenant": str(theirs.tenant.pk)})
    assert "template" in response.context["form"].errors
    other = Tenant.objects.create(name="Other")
    Member.objects.create(tenant=other, user=people.users["owner"], role="viewer")
    response = people["owner"].post(PATH, asked | {"tenant": str(theirs.tenant.pk)})
    assert "tenant" in response.context["form"].errors
    assert CANARY not in said(response)
    asked["tenant"] = str(theirs.tenant.pk)
    assert CANARY in said(people["operator"].post(PATH, asked))
