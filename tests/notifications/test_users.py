"""A tenant's users: put, changed, listed, deleted, written to by their id."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiram.lib.locales import locale
from notifications.models import Notification, Preference, Subscriber
from tenants.models import Tenant
from tests.factories import TenantFactory, email
from tests.notifications.calls import PATH, Api, Said, api
from tests.notifications.test_round_trips import round_trips
from tests.tenancy import together

USERS = "/v1/users"
ANA: dict[str, Any] = {
    "addresses": {"email": "ana@x.example", "sms": "+14155550100"},
    "locale": "de-AT",
    "timezone": "Europe/Vienna",
    "attributes": {"plan": "pro", "seats": [1, 2]},
}

pytestmark = pytest.mark.django_db


def put(caller: Api, name: str = "u1", body: Any = ANA) -> Said:
    return caller.ask("PUT", f"{USERS}/{name}", body)


def patch(caller: Api, body: Any, name: str = "u1") -> Said:
    return caller.ask("PATCH", f"{USERS}/{name}", body)


def shown(caller: Api, name: str = "u1") -> Any:
    said = caller.get(f"{USERS}/{name}")
    assert said.status == 200, said.body
    return {k: v for k, v in said.body.items() if not k.endswith("_at")}


class TestPut:
    def test_it_is_made_then_replaced(self, live: Api) -> None:
        first = put(live)
        assert first.status == 201
        assert shown(live) == {"user_id": "u1", **ANA}
        again = put(live, body={"addresses": {"email": "ANA@X.Example"}})
        assert again.status == 200
        assert shown(live) == {
            "user_id": "u1", "addresses": {"email": "ANA@x.example"}, "locale": None,
            "timezone": None, "attributes": {},
        }  # fmt: skip
        assert again.body["created_at"] == first.body["created_at"]
        assert again.body["updated_at"] > first.body["updated_at"]

    def test_nothing_has_to_be_known(self, live: Api) -> None:
        assert put(live, body={}).status == 201

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({"addresses": {"email": "no"}}, ("/addresses/email", "invalid")),
            ({"addresses": {"sms": "12"}}, ("/addresses/sms", "invalid")),
            ({"addresses": {"fax": "1"}}, ("/addresses/fax", "unknown_field")),
            ({"addresses": []}, ("/addresses", "type")),
            ({"locale": "german"}, ("/locale", "invalid")),
            ({"timezone": "Vienna"}, ("/timezone", "invalid")),
            ({"timezone": "../etc/passwd"}, ("/timezone", "invalid")),
            ({"attributes": {"a": "x" * 16_400}}, ("/attributes", "invalid")),
            ({"attributes": None}, ("/attributes", "type")),
            ({"name": "Ana"}, ("/name", "unknown_field")),
            ({"user_id": "u2"}, ("/user_id", "unknown_field")),
        ],
    )
    def test_what_does_not_fit_is_named(
        self, live: Api, body: Any, error: tuple[str, str]
    ) -> None:
        said = put(live, body=body)
        assert (said.status, said.code, said.errors) == (422, "invalid", [error])
        assert not Subscriber.objects.exists()

    @pytest.mark.parametrize("name", ["a%20b", "auth0%7C1", "ana@x.example", "%C3%A4", "x" * 256])
    def test_an_id_is_the_tenants_own(self, live: Api, name: str) -> None:
        assert put(live, name).status == 201
        assert live.get(f"{USERS}/{name}").status == 200

    @pytest.mark.parametrize("name", ["x" * 257, "a%0Ab", "%00", "%E2%80%A8"])
    def test_an_id_has_limits(self, live: Api, name: str) -> None:
        assert put(live, name).code == "invalid"
        assert live.get(f"{USERS}/{name}").code == "not-found"

    def test_fifty_at_once_are_one(self, transactional_db: None) -> None:
        caller = api(TenantFactory.create())
        said = together(10, lambda _: put(caller).status)
        assert sorted(said) == [200] * 9 + [201]
        assert Subscriber.objects.count() == 1


class TestChange:
    def test_it_changes_what_is_given(self, live: Api) -> None:
        put(live)
        said = patch(live, {"addresses": {"sms": None}, "attributes": {"plan": None, "vip": True}})
        assert said.status == 200
        assert shown(live) == {
            **ANA, "user_id": "u1", "addresses": {"email": "ana@x.example"},
            "attributes": {"seats": [1, 2], "vip": True},
        }  # fmt: skip
        patch(live, {"locale": None, "timezone": "UTC"})
        assert (shown(live)["locale"], shown(live)["timezone"]) == (None, "UTC")

    def test_the_sum_has_limits_too(self, live: Api) -> None:
        put(live, body={"attributes": {"a": "x" * 10_000}})
        said = patch(live, {"attributes": {"b": "x" * 10_000}})
        assert said.errors == [("/attributes", "invalid")]
        assert list(shown(live)["attributes"]) == ["a"]

    def test_who_is_not_there_cannot_change(self, live: Api) -> None:
        assert patch(live, {}).code == "not-found"


class TestBatch:
    def test_all_are_written(self, live: Api) -> None:
        put(live, "u2")
        users = [{"user_id": f"u{n}", "locale": "EN_us"} for n in range(1, 4)]
        said = live.post({"users": users}, f"{USERS}/batch")
        assert said.status == 200
        assert said.body["data"] == [
            {"user_id": "u1", "created": True},
            {"user_id": "u2", "created": False},
            {"user_id": "u3", "created": True},
        ]
        assert [shown(live, f"u{n}")["locale"] for n in range(1, 4)] == ["en-US"] * 3

    def test_none_is_written_where_one_does_not_fit(self, live: Api) -> None:
        users = [{"user_id": "u1"}, {"user_id": "a/b"}, {"user_id": "batch"}, {"user_id": ".."}]
        said = live.post({"users": users}, f"{USERS}/batch")
        assert said.errors == [(f"/users/{n}/user_id", "invalid") for n in (1, 2, 3)]
        assert not Subscriber.objects.exists()

    def test_nobody_stands_in_it_twice(self, live: Api) -> None:
        users = [{"user_id": "u1"}, {"user_id": "u2"}, {"user_id": "u1"}]
        said = live.post({"users": users}, f"{USERS}/batch")
        assert said.errors == [("/users/2/user_id", "repeated")]

    def test_a_thousand_and_no_more(self, live: Api) -> None:
        users = [{"user_id": str(n)} for n in range(1_001)]
        assert live.post({"users": users}, f"{USERS}/batch").errors == [("/users", "too_many")]
        assert live.post({"users": users[1:]}, f"{USERS}/batch").status == 200
        assert Subscriber.objects.count() == 1_000


class TestList:
    def test_pages_and_filters(self, live: Api) -> None:
        for n in range(5):
            put(live, f"u{n}", ANA | {"addresses": {"email": f"u{n}@x.example"}})
        put(live, "u5", {"locale": "fr", "addresses": {"sms": "+14155550100"}})
        page = live.get(f"{USERS}?limit=4").body
        rest = live.get(f"{USERS}?limit=4&cursor={page['next_cursor']}").body
        names = [user["user_id"] for user in page["data"] + rest["data"]]
        assert names == [f"u{n}" for n in (5, 4, 3, 2, 1, 0)]
        for query, found in [
            ("channel=sms", ["u5"]),
            ("locale=fr", ["u5"]),
            ("timezone=UTC", []),
            ("channel=email&address=u3@X.EXAMPLE", ["u3"]),
            ("channel=sms&address=%2B1%20415%20555%200100", ["u5"]),
        ]:
            data = live.get(f"{USERS}?{query}").body["data"]
            assert [user["user_id"] for user in data] == found, query

    @pytest.mark.parametrize(
        ("query", "error"),
        [
            ("address=a@x.example", ("/channel", "required")),
            ("channel=fax", ("/channel", "not_an_option")),
            ("channel=email&address=x", ("/address", "invalid")),
            ("name=x", ("/name", "unknown_parameter")),
        ],
    )
    def test_filters_are_checked(self, live: Api, query: str, error: tuple[str, str]) -> None:
        said = live.get(f"{USERS}?{query}")
        assert (said.code, said.errors) == ("bad-query", [error])


class TestDelete:
    def test_it_goes_with_its_wishes_once(self, live: Api, tenant: Tenant) -> None:
        put(live)
        Preference.objects.create(tenant=tenant, mode="live", user_id="u1")
        assert live.ask("DELETE", f"{USERS}/u1").status == 204
        assert live.ask("DELETE", f"{USERS}/u1").code == "not-found"
        assert not Subscriber.objects.exists()
        assert not Preference.objects.exists()


class TestStrangers:
    @pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
    def test_they_find_nobody(self, live: Api, tenant: Tenant, method: str) -> None:
        put(live)
        for caller in (api(TenantFactory.create()), api(tenant, mode="test")):
            assert caller.ask(method, f"{USERS}/u1", {}).code == "not-found"
            assert caller.get(USERS).body["data"] == []
        assert shown(live) == {"user_id": "u1", **ANA}

    def test_the_same_id_is_another_user_there(self, live: Api) -> None:
        put(live)
        other = api(TenantFactory.create())
        assert put(other, body={}).status == 201
        assert shown(live) == {"user_id": "u1", **ANA}

    @pytest.mark.parametrize(
        ("method", "path", "scope"),
        [
            ("GET", USERS, "users:read"),
            ("GET", f"{USERS}/u1", "users:read"),
            ("PUT", f"{USERS}/u1", "users:write"),
            ("PATCH", f"{USERS}/u1", "users:write"),
            ("DELETE", f"{USERS}/u1", "users:write"),
            ("POST", f"{USERS}/batch", "users:write"),
        ],
    )
    def test_a_key_needs_its_scope(
        self, tenant: Tenant, method: str, path: str, scope: str
    ) -> None:
        assert Api().ask(method, path, {}).status == 401
        others = ("notifications:read", "notifications:write")
        assert api(tenant, scopes=others).ask(method, path, {}).code == "forbidden"
        assert api(tenant, scopes=(scope,)).ask(method, path, {}).status in (200, 201, 404, 422)


class TestSend:
    def test_to_the_users_address(self, live: Api) -> None:
        put(live)
        said = live.post(to("u1"))
        assert said.status == 202
        one = live.one(said.body["id"])
        assert (one["recipient"], one["user_id"]) == ("ana@x.example", "u1")
        assert live.listed("user_id=u1") == [said.body["id"]]
        assert live.listed("user_id=u2") == []

    def test_a_recipient_goes_before_it(self, live: Api) -> None:
        for name in ("u1", "nobody"):
            put(live)
            one = live.one(live.post(email(user_id=name)).body["id"])
            assert (one["recipient"], one["user_id"]) == ("ada@recipient.example", name)

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"user_id": "u2"}, ("/user_id", "unknown_user")),
            ({"user_id": "u1", "channel": "sms"}, ("/user_id", "unreachable")),
            ({"user_id": 1}, ("/recipient", "required")),
            ({"user_id": "\0"}, None),
            ({}, ("/recipient", "required")),
        ],
    )
    def test_who_cannot_be_reached_is_named(
        self, live: Api, fields: Any, error: tuple[str, str] | None
    ) -> None:
        put(live, body={"addresses": {"email": "ana@x.example"}})
        body = {k: v for k, v in email(**fields).items() if k != "recipient"}
        said = live.post(body)
        assert said.status in (400, 422)
        assert error is None or error in said.errors
        assert not Notification.objects.exists()

    def test_a_batch_reads_all_users_at_once(self, live: Api) -> None:
        for n in range(3):
            put(live, f"u{n}", {"addresses": {"email": f"u{n}@x.example"}})
        said = live.batch(to("u0"), to("nobody"), to("u2"), email(), mode="partial")
        assert (said.body["accepted"], said.body["rejected"]) == (3, 1)
        assert said.body["data"][1]["error"]["errors"][0]["pointer"] == "/notifications/1/user_id"
        found = Notification.objects.order_by("id").values_list("recipient", flat=True)
        assert list(found) == ["u0@x.example", "u2@x.example", "ada@recipient.example"]

    def test_another_modes_user_is_nobody(self, live: Api, tenant: Tenant) -> None:
        put(live)
        assert api(tenant, mode="test").post(to("u1")).errors == [("/user_id", "unknown_user")]

    def test_it_costs_one_read_more(self, transactional_db: None) -> None:
        live = api(TenantFactory.create())
        put(live)
        for _ in range(6):  # by then the driver has prepared its statements
            live.post(to("u1"))
        plain = round_trips(lambda: live.post(email()))
        named = round_trips(lambda: live.post(to("u1")))
        assert named == plain + 1 <= 4
        assert round_trips(lambda: live.batch(*[to("u1")] * 50)) == named


def to(name: str) -> dict[str, Any]:
    return {k: v for k, v in email(user_id=name).items() if k != "recipient"}


class TestLocale:
    @pytest.mark.parametrize(
        ("text", "tag"),
        [
            ("DE-at", "de-AT"),
            ("de_AT", "de-AT"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("EN", "en"),
            ("ca-ES-VALENCIA", "ca-ES-valencia"),
        ],
    )
    def test_it_has_one_spelling(self, text: str, tag: str) -> None:
        assert locale(text) == locale(tag) == tag

    @pytest.mark.parametrize(
        "text", ["", "e", "german", "de-", "-de", "de--AT", "dé", "de\n", "x" * 40]
    )
    def test_others_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="language tag"):
            locale(text)

    @given(st.from_regex(r"[a-z]{2,3}(-[a-z]{4})?(-[a-z]{2})?", fullmatch=True))
    def test_it_stays(self, text: str) -> None:
        assert locale(locale(text)) == locale(text)


def test_the_list_of_notifications_is_filtered_by_request(live: Api) -> None:
    assert live.get(f"{PATH}?request_id=x").errors == [("/request_id", "invalid")]
    assert live.listed("request_id=req_00000000000000000000000000") == []
