"""What users want: put, merged, refused where it cannot be, and obeyed in one order."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications.models import (
    Block,
    Event,
    OutboxMessage,
    Preference,
    Subscriber,
    Suppression,
    Template,
)
from notifications.preferences import merged, wants
from notifications.refusal import refused
from notifications.suppression import digest
from tenants.models import CategoryPolicy, Tenant
from tests.factories import TenantFactory, email, make_user, to_user
from tests.notifications.calls import Api, Said, api
from tests.notifications.test_scheduling import ahead

pytestmark = pytest.mark.django_db

MARKETING = {"marketing": {"email": True}}
FULL: dict[str, Any] = {
    "categories": {"marketing": {"email": True}, "operational": {"sms": False}},
    "templates": {"auth.password-reset": {"sms": False}},
    "quiet_hours": {"start": "22:00", "end": "07:00"},
    "send_windows": [{"days": ["mon", "sun"], "start": "08:00", "end": "20:00"}],
}


@pytest.fixture
def user(tenant: Tenant) -> Subscriber:
    return make_user(tenant)


def path(user_id: str = "u1") -> str:
    return f"/v1/users/{quote(user_id, safe='')}/preferences"


def put(caller: Api, body: Any, user_id: str = "u1") -> Said:
    return caller.ask("PUT", path(user_id), body)


def patch(caller: Api, body: Any, user_id: str = "u1") -> Said:
    return caller.ask("PATCH", path(user_id), body)


def said(caller: Api) -> dict[str, Any]:
    body: dict[str, Any] = caller.get(path()).body
    return {name: body[name] for name in FULL}


class TestApi:
    def test_nothing_is_said_at_first(self, live: Api, user: Subscriber) -> None:
        found = live.get(path())
        assert found.status == 200
        assert found.body["user_id"] == "u1"
        assert found.body["updated_at"] is None
        assert said(live) == {
            "categories": {}, "templates": {}, "quiet_hours": None, "send_windows": [],
        }  # fmt: skip

    def test_put_replaces(self, live: Api, user: Subscriber) -> None:
        first = put(live, FULL)
        assert first.status == 200
        assert first.body == live.get(path()).body
        assert said(live) == FULL
        assert put(live, {"categories": MARKETING}).status == 200
        assert said(live) == FULL | {
            "categories": MARKETING, "templates": {}, "quiet_hours": None, "send_windows": [],
        }  # fmt: skip
        assert put(live, {}).status == 200
        assert said(live)["categories"] == {}
        assert Preference.objects.count() == 1

    def test_patch_merges_and_null_takes_back(self, live: Api, user: Subscriber) -> None:
        put(live, FULL)
        patch(live, {"categories": {"marketing": {"sms": False}}})
        assert said(live)["categories"] == {
            "marketing": {"email": True, "sms": False}, "operational": {"sms": False},
        }  # fmt: skip
        patch(live, {"categories": {"marketing": {"email": None}, "operational": None}})
        assert said(live)["categories"] == {"marketing": {"sms": False}}
        assert said(live)["quiet_hours"] == FULL["quiet_hours"]
        patch(live, {"quiet_hours": None, "send_windows": None, "templates": {"none": None}})
        assert said(live) == FULL | {
            "categories": {"marketing": {"sms": False}}, "quiet_hours": None, "send_windows": [],
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("body", "errors"),
        [
            ({"categories": {"gossip": {"email": True}}}, [("/categories/gossip", "not_an_option")]),
            ({"categories": {"marketing": {"fax": True}}}, [("/categories/marketing/fax", "not_an_option")]),
            ({"templates": {"a": {"fax": True}}}, [("/templates/a/fax", "not_an_option")]),
            ({"templates": {"": {"sms": True}}}, [("/templates/", "too_short")]),
            ({"categories": {"marketing": {"email": 1}}}, [("/categories/marketing/email", "type")]),
            ({"quiet_hours": {"start": "24:00", "end": "7:00"}}, [("/quiet_hours/start", "invalid"), ("/quiet_hours/end", "invalid")]),
            ({"quiet_hours": {"start": "22:00"}}, [("/quiet_hours/end", "required")]),
            ({"send_windows": [{"days": [], "start": "08:00", "end": "09:00"}]}, [("/send_windows/0/days", "too_few")]),
            ({"send_windows": [{"days": ["Mo"], "start": "08:00", "end": "09:00"}]}, [("/send_windows/0/days/0", "not_an_option")]),
            ({"quiet_hours": {"start": "08:00", "end": "20:00"}, "send_windows": [{"days": ["mon"], "start": "09:00", "end": "17:00"}]}, [("/send_windows", "invalid")]),
            ({"categories": None}, [("/categories", "type")]),
            ({"mood": "good"}, [("/mood", "unknown_field")]),
        ],
    )  # fmt: skip
    def test_what_cannot_be(self, live: Api, user: Subscriber, body: Any, errors: Any) -> None:
        for answer in (put(live, body), patch(live, body)):
            assert (answer.code, answer.errors) == ("invalid", errors)
        assert not Preference.objects.exists()

    def test_a_required_category_cannot_be_opted_out_of(
        self, live: Api, tenant: Tenant, user: Subscriber
    ) -> None:
        CategoryPolicy.objects.create(tenant=tenant, category="transactional", required=True)
        Template.objects.create(
            tenant=tenant, slug="reset", channel="sms", name="Reset", category="transactional"
        )
        no = {
            "categories": {"transactional": {"email": False}},
            "templates": {"reset": {"sms": False}},
        }
        for answer in (put(live, no), patch(live, no)):
            assert (answer.status, answer.errors) == (422, [
                ("/categories/transactional/email", "required_category"),
                ("/templates/reset/sms", "required_category"),
            ])  # fmt: skip
            assert "required: nobody can opt out" in answer.details[0]
        yes = {"categories": {"transactional": {"email": True}, "operational": {"email": False}}}
        assert put(live, yes).status == 200
        other = {"templates": {"reset": {"email": False}, "else": {"sms": False}}}
        assert patch(live, other).status == 200

    def test_who_does_not_exist_has_none(self, live: Api) -> None:
        for user_id in ("u1", "u" * 256, "u" * 257, "a\x00b", "%", "ü/../x"):
            assert live.get(path(user_id)).code == "not-found"
            assert put(live, FULL, user_id).code == "not-found"
            assert patch(live, FULL, user_id).code == "not-found"
        assert not Preference.objects.exists()

    @pytest.mark.parametrize(
        "user_id",
        ["ana@x.example", "preferences", "Ünï cödé", "a?b#c%2Fd", "u" * 256],
    )
    def test_any_printable_id_is_reached(self, live: Api, tenant: Tenant, user_id: str) -> None:
        make_user(tenant, user_id)
        assert put(live, {"categories": MARKETING}, user_id).body["user_id"] == user_id
        assert live.get(path(user_id)).body["categories"] == MARKETING

    def test_strangers_and_other_modes_see_nobody(
        self, live: Api, tenant: Tenant, user: Subscriber
    ) -> None:
        put(live, FULL)
        for stranger in (api(TenantFactory.create()), api(tenant, "test")):
            assert stranger.get(path()).code == "not-found"
            assert put(stranger, {}).code == patch(stranger, {}).code == "not-found"
        assert said(live) == FULL

    def test_scopes(self, tenant: Tenant, user: Subscriber) -> None:
        reader = api(tenant, scopes=("users:read",))
        writer = api(tenant, scopes=("users:write",))
        assert (reader.get(path()).status, writer.get(path()).status) == (200, 403)
        assert (put(reader, {}).status, put(writer, {}).status) == (403, 200)
        assert (patch(reader, {}).status, patch(writer, {}).status) == (403, 200)


class TestWhatIsOwed:
    def state(self, row: Any) -> tuple[str, str | None]:
        row.refresh_from_db()
        return row.status, row.reason

    def test_an_opt_out_ends_what_is_owed(
        self, live: Api, tenant: Tenant, user: Subscriber
    ) -> None:
        due, later, other_category = to_user(
            tenant,
            "u1",
            email(),
            email(scheduled_at=ahead(hours=1)),
            email(category="operational"),
        )
        [other_user] = to_user(tenant, "u2", email())
        [tested] = to_user(tenant, "u1", email(), mode="test")
        put(live, {"categories": {"transactional": {"email": False}}})
        for row in (due, later):
            assert self.state(row) == ("suppressed", "preference")
            assert row.settled_at is not None
            said = Event.objects.get(notification_id=row.pk, type="notification.suppressed")
            assert said.data == {"reason": "preference"}
        for row in (other_category, other_user, tested):
            assert self.state(row) == ("accepted", None)
        assert OutboxMessage.objects.count() == 3

    def test_a_template_that_is_wanted_goes_though_its_category_is_not(
        self, live: Api, tenant: Tenant, user: Subscriber
    ) -> None:
        [wanted] = to_user(tenant, "u1", email(), template="invoice")
        [unwanted] = to_user(tenant, "u1", email(), template="tips")
        put(live, {
            "categories": {"transactional": {"email": False}},
            "templates": {"invoice": {"email": True}},
        })  # fmt: skip
        assert self.state(wanted) == ("accepted", None)
        assert self.state(unwanted) == ("suppressed", "preference")

    def test_taking_back_a_yes_to_marketing_ends_it_for_want_of_consent(
        self, live: Api, tenant: Tenant, user: Subscriber
    ) -> None:
        put(live, {"categories": MARKETING})
        [row] = to_user(tenant, "u1", email(category="marketing"))
        patch(live, {"quiet_hours": FULL["quiet_hours"]})
        assert self.state(row) == ("accepted", None)
        patch(live, {"categories": {"marketing": None}})
        assert self.state(row) == ("suppressed", "consent")

    def test_the_next_in_order_does_not_wait_for_it(
        self, live: Api, tenant: Tenant, user: Subscriber
    ) -> None:
        first, second = to_user(
            tenant, "u1", email(ordering_key="k", category="operational"), email(ordering_key="k")
        )
        put(live, {"categories": {"operational": {"email": False}}})
        assert self.state(first) == ("suppressed", "preference")
        [left] = OutboxMessage.objects.all()
        assert left.pk == second.pk
        assert left.due_at < left.expires_at


class TestMerged:
    def test_what_is_given_is_not_changed(self) -> None:
        before = {"a": {"x": True}}
        assert merged(before, {"a": {"x": None, "y": False}}) == {"a": {"y": False}}
        assert before == {"a": {"x": True}}


CHANNELS = ("email", "sms")
maybe = st.one_of(st.none(), st.booleans())
wishes = st.dictionaries(
    st.sampled_from(["transactional", "operational", "marketing"]),
    st.dictionaries(st.sampled_from(CHANNELS), st.booleans()),
)
texts = st.dictionaries(
    st.sampled_from(["a", "b"]), st.dictionaries(st.sampled_from(CHANNELS), st.booleans())
)
lists = st.lists(
    st.tuples(st.sampled_from(["email", "sms", None]), st.booleans()), max_size=2
)  # a channel, and whether it has expired
suppressions = st.lists(
    st.tuples(st.sampled_from([None, "marketing", "operational"]), st.booleans()),
    max_size=2, unique_by=lambda s: s[0],
)  # fmt: skip

_ASK = f"""
SELECT {refused(row="r", tenant="%(tenant)s::uuid", mode="'live'", address="%(address)s", policy="p")}
  FROM (SELECT %(channel)s::text AS channel, %(category)s::text AS category,
               %(template)s::text AS template, %(user_id)s::text AS user_id) r
  LEFT JOIN tenants_categorypolicy p ON p.tenant_id = %(tenant)s AND p.category = r.category
"""  # noqa: S608


def model(asked: dict[str, Any], world: dict[str, Any]) -> str | None:
    """Why not, as it is documented."""
    if any(c in (None, asked["channel"]) and not gone for c, gone in world["blocks"]):
        return "block"
    valid = {c for c, gone in world["suppressed"] if not gone}
    if asked["channel"] == "email" and valid & {None, asked["category"]}:
        return "suppression:manual"
    if asked["user_id"] is None or asked["category"] in world["required"]:
        return None
    by_template = world["templates"].get(asked["template"], {}).get(asked["channel"])
    by_category = world["categories"].get(asked["category"], {}).get(asked["channel"])
    said = by_template if by_template is not None else by_category
    if said is None:
        return "consent" if asked["category"] == "marketing" else None
    return None if said else "preference"


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    asked=st.fixed_dictionaries({
        "channel": st.sampled_from(CHANNELS),
        "category": st.sampled_from(["transactional", "operational", "marketing"]),
        "template": st.sampled_from([None, "a", "b", "c"]),
        "user_id": st.sampled_from([None, "u1", "u2"]),
    }),
    world=st.fixed_dictionaries({
        "blocks": lists, "suppressed": suppressions, "categories": wishes, "templates": texts,
        "required": st.sets(st.sampled_from(["transactional", "marketing"])),
    }),
)  # fmt: skip
def test_what_holds_is_decided_in_one_order(
    tenant: Tenant, asked: dict[str, Any], world: dict[str, Any]
) -> None:
    for table in (Block, Suppression, Preference, CategoryPolicy):
        table.objects.all().delete()
    past, address = ahead(hours=-1), "ada@recipient.example"
    for channel, gone in world["blocks"]:
        Block.objects.create(
            tenant=tenant, mode="live", channel=channel, reason="x",
            expires_at=past if gone else None,
        )  # fmt: skip
    for category, gone in world["suppressed"]:
        Suppression.objects.create(
            tenant=tenant, mode="live", channel="email", reason="manual", category=category,
            address=digest(tenant.pk, "email", address), expires_at=past if gone else None,
        )  # fmt: skip
    for category in world["required"]:
        CategoryPolicy.objects.create(tenant=tenant, category=category, required=True)
    row = Preference.objects.create(
        tenant=tenant, mode="live", user_id="u1", categories=world["categories"],
        templates=world["templates"],
    )  # fmt: skip
    values = asked | {"tenant": tenant.pk, "address": digest(tenant.pk, asked["channel"], address)}
    with connection.cursor() as cursor:
        cursor.execute(_ASK, values)
        [(found,)] = cursor.fetchall()
    empty: dict[str, Any] = {"categories": {}, "templates": {}} if asked["user_id"] == "u2" else {}
    assert found == model(asked, world | empty)
    if not (world["blocks"] or world["suppressed"] or asked["template"]):
        shown = wants(row, asked["category"], asked["channel"], world["required"])
        assert shown == (model(asked | {"user_id": "u1"}, world) is None)
