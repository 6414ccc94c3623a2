"""Blocks: nothing goes out by a channel, or by any, until they are gone."""

from __future__ import annotations

from typing import Any

import pytest

from hiram.lib import ids
from notifications import withhold
from notifications.models import Block, Notification, OutboxMessage
from tenants.models import CategoryPolicy, Tenant
from tests.factories import TenantFactory, email, post, to_user
from tests.notifications.calls import Api, api
from tests.notifications.test_scheduling import ahead

pytestmark = pytest.mark.django_db

PATH = "/v1/blocks"
BODY: dict[str, Any] = {"channel": "sms", "reason": "Wrong prices", "expires_at": None}
SMS = {"channel": "sms", "recipient": "+14155550100", "body": "Hello"}


def state(row: Notification) -> tuple[str, str | None]:
    row.refresh_from_db()
    return row.status, row.reason


class TestApi:
    def test_from_the_first_to_the_last(self, live: Api) -> None:
        made = live.post(BODY, PATH)
        assert made.status == 201
        assert made.body["id"].startswith("blk_")
        assert made.body["ended"] == 0
        row = {k: v for k, v in made.body.items() if k != "ended"}
        assert row | BODY == row
        assert live.get(PATH).body["data"] == [row]
        one = f"{PATH}/{row['id']}"
        assert live.get(one).body == row
        assert live.ask("DELETE", one).status == 204
        assert live.ask("DELETE", one).code == live.get(one).code == "not-found"
        assert live.get(PATH).body["data"] == []

    def test_filters_and_pages(self, live: Api) -> None:
        for channel in ("sms", "email", None):
            live.post(BODY | {"channel": channel}, PATH)
        assert [r["channel"] for r in live.get(PATH).body["data"]] == [None, "email", "sms"]
        assert [r["channel"] for r in live.get(f"{PATH}?channel=sms").body["data"]] == ["sms"]
        first = live.get(f"{PATH}?limit=2").body
        rest = live.get(f"{PATH}?limit=2&cursor={first['next_cursor']}").body
        assert [r["channel"] for r in rest["data"]] == ["sms"]
        assert live.get(f"{PATH}?channel=fax").errors == [("/channel", "not_an_option")]

    @pytest.mark.parametrize(
        ("body", "errors"),
        [
            ({"channel": "sms"}, [("/reason", "required")]),
            (BODY | {"reason": ""}, [("/reason", "too_short")]),
            (BODY | {"reason": "x" * 501}, [("/reason", "too_long")]),
            (BODY | {"channel": "fax"}, [("/channel", "not_an_option")]),
            (BODY | {"expires_at": "2020-01-01T00:00:00Z"}, [("/expires_at", "in_the_past")]),
            (BODY | {"expires_at": "soon"}, [("/expires_at", "invalid")]),
            (BODY | {"expires_at": 5}, [("/expires_at", "type")]),
            (BODY | {"mode": "test"}, [("/mode", "unknown_field")]),
        ],
    )
    def test_what_cannot_be(self, live: Api, body: Any, errors: Any) -> None:
        assert live.post(body, PATH).errors == errors
        assert not Block.objects.exists()

    def test_strangers_other_modes_and_scopes(self, live: Api, tenant: Tenant) -> None:
        one = f"{PATH}/{live.post(BODY, PATH).body['id']}"
        for stranger in (api(TenantFactory.create()), api(tenant, "test")):
            assert stranger.get(PATH).body["data"] == []
            assert stranger.get(one).code == stranger.ask("DELETE", one).code == "not-found"
        for shown in ("x", "sup_" + "0" * 26, "blk_" + "0" * 26, ids.show("ntf", ids.new())):
            assert live.get(f"{PATH}/{shown}").code == "not-found"
        reader = api(tenant, scopes=("notifications:read",))
        writer = api(tenant, scopes=("notifications:write",))
        assert (reader.get(PATH).status, writer.get(PATH).status) == (200, 403)
        assert (reader.get(one).status, writer.get(one).status) == (200, 403)
        assert (reader.post(BODY, PATH).status, writer.post(BODY, PATH).status) == (403, 201)
        assert (reader.ask("DELETE", one).status, writer.ask("DELETE", one).status) == (403, 204)


class TestWhatIsOwed:
    def test_a_channels_ends_and_the_others_stay(self, live: Api, tenant: Tenant) -> None:
        due, later, mail = post(tenant, SMS, SMS | {"scheduled_at": ahead(hours=1)}, email())
        [tested] = post(tenant, SMS, mode="test")
        [theirs] = post(TenantFactory.create(), SMS)
        assert live.post(BODY, PATH).body["ended"] == 2
        assert state(due) == state(later) == ("suppressed", "block")
        assert state(mail) == state(tested) == state(theirs) == ("accepted", None)
        [refused] = post(tenant, SMS)
        assert state(refused) == ("suppressed", "block")

    def test_all_channels_and_what_is_required(self, live: Api, tenant: Tenant) -> None:
        CategoryPolicy.objects.create(tenant=tenant, category="transactional", required=True)
        rows = to_user(tenant, "u1", SMS, email(priority="high"), email(priority="bulk"))
        assert live.post({"reason": "stop"}, PATH).body["ended"] == 3
        assert {state(row) for row in rows} == {("suppressed", "block")}
        assert not OutboxMessage.objects.exists()

    def test_gone_or_expired_it_blocks_nothing(self, live: Api, tenant: Tenant) -> None:
        made = live.post(BODY | {"expires_at": ahead(hours=1)}, PATH).body
        Block.objects.update(expires_at=ahead(seconds=-1))
        [row] = post(tenant, SMS)
        assert state(row) == ("accepted", None)
        Block.objects.update(expires_at=None)
        live.ask("DELETE", f"{PATH}/{made['id']}")
        [row] = post(tenant, SMS)
        assert state(row) == ("accepted", None)

    def test_of_very_many_so_many(
        self, live: Api, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(withhold, "BATCH", 2)
        monkeypatch.setattr(withhold, "BLOCKED_MOST", 4)
        rows = post(tenant, *[SMS for _ in range(7)])
        assert live.post(BODY, PATH).body["ended"] == 4
        assert sorted(state(row)[0] for row in rows) == ["accepted"] * 3 + ["suppressed"] * 4
