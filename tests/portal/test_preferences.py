"""Preferences and consents in the portal: changed and recorded as by the API, and obeyed at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils.html import escape

from hiram.lib.problems import Problem
from hiram.lib.seen import mark
from notifications.accept import Owner
from notifications.consent import record
from notifications.models import Consent, Notification, Preference, Subscriber, Template
from notifications.preferences import change, wishes
from tenants.models import CategoryPolicy
from tests.factories import email, make_user, to_user
from tests.portal.conftest import People, World
from tests.tenancy import make_tenant, together

LIST = "/portal/notifications/subscriber/"
EVIL = "<script>alert(1)</script>"
ADA = "ada@x.example"
BUILDERS = ("developer", "admin", "owner", "operator")
FULL: dict[str, Any] = {
    "categories": {"marketing": {"email": True}, "operational": {"sms": False}},
    "templates": {"auth.reset": {"sms": False}, "tips": {"email": True}},
    "quiet_hours": {"start": "22:00", "end": "07:00"},
    "send_windows": [{"days": ["mon", "sun"], "start": "08:00", "end": "20:00"}],
}
RECEIPT = {
    "granted": "yes", "category": "marketing", "channel": "email", "text": "Send me\r\noffers.",
    "version": "2026-01", "source": "phone", "address": "",
}  # fmt: skip


@pytest.fixture
def user(ours: World) -> Subscriber:
    return make_user(ours.tenant, addresses={"email": ADA})


def page_of(row: Subscriber, page: str = "preferences") -> str:
    return f"{LIST}{row.pk}/{page}/"


def owner_of(row: Subscriber) -> Owner:
    return Owner(row.tenant_id, row.mode)


def stored(row: Subscriber) -> dict[str, Any]:
    found = wishes(owner_of(row), row.user_id)
    return {name: getattr(found, name) for name in FULL}


def entered(client: Client, row: Subscriber, **changes: str) -> dict[str, str]:
    """What the page would send, with some fields filled in otherwise."""
    page = client.get(page_of(row))
    form = page.context["form"]
    given = {name: form[name].value() or "" for name in form.fields}
    return given | {"seen": page.context["seen"]} | changes


def save(client: Client, row: Subscriber, **changes: str) -> Any:
    return client.post(page_of(row), entered(client, row, **changes))


def recorded(client: Client, row: Subscriber, **changes: str) -> Any:
    seen = client.get(page_of(row, "consent")).context["seen"]
    return client.post(page_of(row, "consent"), RECEIPT | {"seen": seen} | changes)


def state(row: Notification) -> tuple[str, str | None]:
    row.refresh_from_db()
    return row.status, row.reason


def said(response: Any) -> str:
    return str(response.content.decode())


# --- Who ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("page", ["preferences", "consent"])
def test_who_may_only_look_finds_no_way(page: str, people: People, user: Subscriber) -> None:
    assert f"/{page}/" not in said(people["viewer"].get(page_of(user, "change")))
    assert people["viewer"].get(page_of(user, page)).status_code == 403
    given = RECEIPT | {"seen": "", "categories:marketing:email": "yes"}
    assert people["viewer"].post(page_of(user, page), given).status_code == 403
    assert not Preference.objects.exists()
    assert not Consent.objects.exists()


@pytest.mark.parametrize("who", BUILDERS)
def test_who_sets_things_up_changes_and_records(
    who: str, people: People, user: Subscriber
) -> None:
    page = said(people[who].get(page_of(user, "change")))
    assert page_of(user) in page
    assert page_of(user, "consent") in page
    done = save(people[who], user, **{"categories:operational:sms": "no"})
    assert done["Location"] == page_of(user, "change")
    assert recorded(people[who], user)["Location"] == page_of(user, "change")
    assert stored(user)["categories"] == {
        "operational": {"sms": False}, "marketing": {"email": True},
    }  # fmt: skip
    messages = {entry.change_message for entry in LogEntry.objects.filter(object_id=str(user.pk))}
    assert messages == {"Changed the preferences.", "Recorded a consent receipt."}
    assert {entry.object_repr for entry in LogEntry.objects.all()} == {str(user.pk)}


# --- Preferences -------------------------------------------------------------------------------
def test_the_page_says_what_was_said(people: People, user: Subscriber) -> None:
    change(owner_of(user), "u1", FULL | {"templates": {EVIL: {"sms": False}}})
    page = people["developer"].get(page_of(user))
    form = page.context["form"]
    values = {name: form[name].value() for name in form.fields if form[name].value()}
    assert values == {
        "categories:marketing:email": "yes", "categories:operational:sms": "no",
        f"templates:{EVIL}:sms": "no", "start": "22:00", "end": "07:00",
    }  # fmt: skip
    assert "08:00 to 20:00, mon, sun" in said(page)
    assert EVIL not in said(page)
    assert escape(EVIL) in said(page)


def test_each_answer_is_changed_or_taken_back_and_the_rest_stays(
    people: People, user: Subscriber
) -> None:
    change(owner_of(user), "u1", FULL)
    done = save(people["developer"], user, **{
        "categories:marketing:email": "", "categories:transactional:sms": "no",
        "templates:auth.reset:sms": "yes", "templates:tips:email": "",
        "slug": " shop.order ", "channel": "email", "answer": "no", "end": "06:30",
    })  # fmt: skip
    assert done.status_code == 302
    assert stored(user) == {
        "categories": {"operational": {"sms": False}, "transactional": {"sms": False}},
        "templates": {"auth.reset": {"sms": True}, "shop.order": {"email": False}},
        "quiet_hours": {"start": "22:00", "end": "06:30"},
        "send_windows": FULL["send_windows"],
    }
    save(people["developer"], user, start="", end="")
    assert stored(user)["quiet_hours"] is None
    assert stored(user)["send_windows"] == FULL["send_windows"]


def test_a_page_sent_as_it_was_writes_nothing(people: People, user: Subscriber) -> None:
    change(owner_of(user), "u1", FULL)
    before = Preference.objects.values().get()
    assert save(people["developer"], user).status_code == 302
    assert Preference.objects.values().get() == before
    assert not LogEntry.objects.filter(object_id=str(user.pk)).exists()


def test_of_very_many_templates_the_others_are_changed_by_name(
    people: People, user: Subscriber
) -> None:
    many = {f"t{number:03}": {"email": False} for number in range(130)}
    change(owner_of(user), "u1", {"templates": many})
    assert "30 more are not shown" in said(people["developer"].get(page_of(user)))
    save(people["developer"], user, slug="t120", channel="email", answer="")
    assert stored(user)["templates"] == {k: v for k, v in many.items() if k != "t120"}


WRONG = {
    "answer": ({"categories:marketing:email": "maybe"}, "categories:marketing:email", "choice"),
    "no slug": ({"answer": "no"}, "slug", "which template"),
    "no answer": ({"slug": "tips"}, "answer", "yes or no"),
    "above": ({"slug": "auth.reset", "channel": "sms", "answer": "yes"}, "slug", "above"),
    "control": ({"slug": "a\x07b", "answer": "no"}, "slug", "one line"),
    "long": ({"slug": "x" * 101, "answer": "no"}, "slug", "100"),
    "channel": ({"slug": "x", "channel": "pigeon", "answer": "no"}, "channel", "choice"),
    "no end": ({"end": ""}, "end", ""),
    "no time": ({"start": "24:00"}, "start", ""),
    "no moment": ({"start": "08:00", "end": "20:00"}, "start", "no moment of the week"),
    "nothing seen": ({"seen": "x"}, "__all__", "meanwhile"),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_written(
    name: str, people: People, user: Subscriber
) -> None:
    wrong, field, text = WRONG[name]
    change(owner_of(user), "u1", FULL)
    good = {"categories:transactional:email": "no"}
    response = save(people["developer"], user, **good | wrong)
    assert response.status_code == 200
    errors = response.context["form"].errors
    assert list(errors) == [field]
    assert text in str(errors[field])
    assert stored(user) == FULL
    assert not LogEntry.objects.filter(object_id=str(user.pk)).exists()


def test_too_many_templates_are_refused(people: People, user: Subscriber) -> None:
    change(owner_of(user), "u1", {"templates": {f"t{n}": {"sms": False} for n in range(1_000)}})
    response = save(people["developer"], user, slug="one.more", channel="sms", answer="no")
    assert "at most 1000" in str(response.context["form"].errors["slug"])
    assert "one.more" not in stored(user)["templates"]


def test_nobody_is_opted_out_of_what_is_required(people: People, user: Subscriber) -> None:
    CategoryPolicy.objects.create(tenant=user.tenant, category="transactional", required=True)
    Template.objects.create(
        tenant=user.tenant, slug="auth.reset", channel="email", category="transactional"
    )
    page = people["developer"].get(page_of(user))
    assert "nobody can opt out of it" in said(page)
    field = page.context["form"]["categories:transactional:email"]
    assert [value for value, _ in field.field.widget.choices] == ["", "yes"]
    for given, where in (
        ({"categories:transactional:email": "no"}, "categories:transactional:email"),
        ({"slug": "auth.reset", "channel": "email", "answer": "no"}, "slug"),
    ):
        errors = save(people["developer"], user, **given).context["form"].errors
        assert list(errors) == [where]
        assert "required" in str(errors[where])
    assert not Preference.objects.exists()


def test_a_no_from_before_it_was_required_is_shown_and_kept(
    people: People, user: Subscriber
) -> None:
    change(owner_of(user), "u1", {"categories": {"transactional": {"email": False}}})
    CategoryPolicy.objects.create(tenant=user.tenant, category="transactional", required=True)
    assert save(people["developer"], user, start="22:00", end="07:00").status_code == 302
    assert stored(user)["categories"] == {"transactional": {"email": False}}


@pytest.mark.django_db(transaction=True)
def test_what_is_owed_and_not_wanted_any_more_ends(people: People, user: Subscriber) -> None:
    [first, later, other] = to_user(
        user.tenant, "u1", email(), email(), email(category="operational")
    )
    [tested] = to_user(user.tenant, "u1", email(), mode="test")
    save(people["developer"], user, **{"categories:transactional:email": "no"})
    assert {state(row) for row in (first, later)} == {("suppressed", "preference")}
    assert {state(row) for row in (other, tested)} == {("accepted", None)}


@pytest.mark.django_db(transaction=True)
def test_a_no_to_a_template_ends_what_is_owed_of_it(people: People, user: Subscriber) -> None:
    [tips] = to_user(user.tenant, "u1", email(), template="tips")
    [other] = to_user(user.tenant, "u1", email(), template="news")
    save(people["developer"], user, slug="tips", channel="email", answer="no")
    assert state(tips) == ("suppressed", "preference")
    assert state(other) == ("accepted", None)


def test_each_mode_has_its_own(people: People, user: Subscriber) -> None:
    other = make_user(user.tenant, mode="test")
    save(people["developer"], other, **{"categories:operational:email": "no"})
    assert stored(other)["categories"] == {"operational": {"email": False}}
    assert stored(user)["categories"] == {}


# --- Meanwhile ---------------------------------------------------------------------------------
def test_what_somebody_else_said_meanwhile_is_not_overwritten(
    people: People, user: Subscriber
) -> None:
    mine = entered(people["developer"], user, **{"categories:marketing:email": "yes"})
    change(owner_of(user), "u1", {"categories": {"marketing": {"email": False}}})
    response = people["developer"].post(page_of(user), mine)
    assert "meanwhile" in str(response.context["form"].errors["__all__"])
    assert response.context["form"]["categories:marketing:email"].value() == "yes"
    assert stored(user)["categories"] == {"marketing": {"email": False}}
    # Whoever has looked at it again may mean it.
    again = mine | {"seen": response.context["seen"]}
    assert people["developer"].post(page_of(user), again).status_code == 302
    assert stored(user)["categories"] == {"marketing": {"email": True}}


def test_a_user_who_withdrew_meanwhile_is_not_opted_in(people: People, user: Subscriber) -> None:
    asked = RECEIPT | {"seen": people["owner"].get(page_of(user, "consent")).context["seen"]}
    withdrawn = Consent(category="marketing", channel="email", granted=False, source="page")
    record(owner_of(user), "u1", withdrawn)
    response = people["owner"].post(page_of(user, "consent"), asked)
    assert "meanwhile" in str(response.context["form"].errors["__all__"])
    assert Consent.objects.get() == withdrawn
    assert stored(user)["categories"] == {}


@pytest.mark.parametrize("page", ["preferences", "consent"])
def test_a_page_that_does_not_say_what_it_saw_is_refused(
    page: str, people: People, user: Subscriber
) -> None:
    given = RECEIPT | {"categories:marketing:email": "yes"}
    assert people["owner"].post(page_of(user, page), given).status_code == 200
    assert not Preference.objects.exists()
    assert not Consent.objects.exists()


@pytest.mark.parametrize("page", ["preferences", "consent"])
def test_who_went_meanwhile_is_not_found(page: str, people: People, user: Subscriber) -> None:
    asked = entered(people["owner"], user, **{"categories:marketing:email": "yes"}) | RECEIPT
    user.delete()
    assert people["owner"].post(page_of(user, page), asked).status_code == 404
    assert not Preference.objects.exists()
    assert not Consent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_who_saw_the_same_one_writes() -> None:
    owner = owner_of(make_user(make_tenant()))
    for _ in range(2):  # while there is no row yet, and of one
        seen = mark(wishes(owner, "u1"))

        def write(index: int, seen: str = seen) -> str:
            try:
                change(owner, "u1", {"templates": {f"t{index}": {"email": True}}}, seen=seen)
            except Problem as problem:
                return problem.code
            return "written"

        assert sorted(together(4, write)) == ["conflict"] * 3 + ["written"]


# --- Consents ----------------------------------------------------------------------------------
def test_a_receipt_is_written_as_it_was_given(people: People, user: Subscriber) -> None:
    form = people["developer"].get(page_of(user, "consent")).context["form"]
    # Exports show it to the user: nobody of the tenant is named.
    assert form["source"].value() == "portal"
    recorded(people["developer"], user)
    found = Consent.objects.get()
    assert (found.tenant, found.mode, found.user_id) == (user.tenant, "live", "u1")
    assert (found.category, found.channel, found.granted) == ("marketing", "email", True)
    assert (found.text, found.version) == ("Send me\noffers.", "2026-01")
    assert (found.source, found.address) == ("phone", ADA)
    recorded(people["developer"], user, channel="sms", address="+1 415 555 0100")
    assert Consent.objects.get(channel="sms").address == "+14155550100"
    assert stored(user)["categories"] == {"marketing": {"email": True, "sms": True}}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("category", "reason"), [("marketing", "consent"), ("operational", "preference")]
)
def test_a_withdrawal_ends_what_is_owed(
    category: str, reason: str, people: People, user: Subscriber
) -> None:
    recorded(people["developer"], user, category=category)
    [owed] = to_user(user.tenant, "u1", email(category=category))
    assert state(owed) == ("accepted", None)
    recorded(people["developer"], user, category=category, granted="no", text="")
    assert state(owed) == ("suppressed", reason)
    granted = Consent.objects.order_by("created_at").values_list("granted", flat=True)
    assert list(granted) == [True, False]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"granted": ""}, "granted"), ({"category": "news"}, "category"),
        ({"channel": "pigeon"}, "channel"), ({"channel": ""}, "channel"),
        ({"text": "x" * 10_001}, "text"), ({"version": "x" * 101}, "version"),
        ({"source": "x" * 201}, "source"), ({"source": "a\x00b"}, "source"),
        ({"address": "nobody"}, "address"), ({"address": "x" * 600}, "address"),
        ({"seen": "x"}, "__all__"),
    ],
    ids=["unsaid", "category", "channel", "no channel", "text", "version", "source", "nul",
         "address", "long address", "unseen"],
)  # fmt: skip
def test_a_wrong_receipt_is_not_written(
    wrong: dict[str, str], field: str, people: People, user: Subscriber
) -> None:
    response = recorded(people["owner"], user, **wrong)
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert not Consent.objects.exists()
    assert not Preference.objects.exists()


def test_nobody_withdraws_from_what_is_required(people: People, user: Subscriber) -> None:
    CategoryPolicy.objects.create(tenant=user.tenant, category="operational", required=True)
    response = recorded(people["owner"], user, category="operational", granted="no")
    assert "required" in str(response.context["form"].errors["category"])
    assert not Consent.objects.exists()


def test_a_receipt_sent_twice_is_written_once(people: People, user: Subscriber) -> None:
    seen = people["owner"].get(page_of(user, "consent")).context["seen"]
    for status in (302, 200):
        given = RECEIPT | {"seen": seen}
        assert people["owner"].post(page_of(user, "consent"), given).status_code == status
    assert Consent.objects.count() == 1


def test_hostile_words_are_escaped(people: People, user: Subscriber) -> None:
    recorded(people["owner"], user, text=EVIL, source=EVIL, version=EVIL)
    page = said(people["viewer"].get(page_of(user, "change")))
    assert EVIL not in page
    assert page.count(escape(EVIL)) == 3
    wrong = said(recorded(people["owner"], user, text=EVIL, granted=""))
    assert EVIL not in wrong
    assert escape(EVIL) in wrong
