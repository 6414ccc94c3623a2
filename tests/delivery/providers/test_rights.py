"""Who may see and do what, and that no secret comes out."""

from __future__ import annotations

import logging

import pytest

from delivery.simulator.server import Simulator
from tenants.models import Provider
from tests.delivery.providers.bodies import (
    CANARY,
    UNKNOWN,
    at,
    made,
    path,
    smtp,
    with_login,
)
from tests.tenancy import Caller, caller

pytestmark = pytest.mark.django_db


def test_a_stranger_finds_nothing(ours: Caller, stranger: Caller) -> None:
    provider = made(ours, with_login())
    wanted = (404, "not-found")
    asked = {
        "get": stranger.get(path(provider)),
        "patch": stranger.patch(path(provider), {"name": "x"}),
        "wrong patch": stranger.patch(path(provider), {"driver": "x"}),
        "delete": stranger.delete(path(provider)),
        "test": stranger.post(path(provider, "/test"), {"recipient": "a@b.example"}),
    }
    missing = stranger.get(f"/v1/providers/{UNKNOWN}").body["detail"]
    for name, said in asked.items():
        assert (said.status, said.body["code"]) == wanted, name
        assert said.body["detail"] == missing, name
    assert stranger.get("/v1/providers").body["data"] == []
    assert ours.get(path(provider)).body == provider


def test_a_cursor_of_ours_is_no_use_to_a_stranger(ours: Caller, stranger: Caller) -> None:
    made(ours, smtp("a"))
    made(ours, smtp("b"))
    cursor = ours.get("/v1/providers?limit=1").body["next_cursor"]
    assert ours.get(f"/v1/providers?limit=1&cursor={cursor}").status == 200
    assert stranger.get(f"/v1/providers?limit=1&cursor={cursor}").status == 400


@pytest.mark.parametrize(
    "shown", ["x", "prv_", "prv_" + "0" * 25, UNKNOWN.lower(), "tnt_" + "0" * 26]
)
def test_what_is_no_id_is_not_found(ours: Caller, shown: str) -> None:
    assert ours.get(f"/v1/providers/{shown}").status == 404
    assert ours.patch(f"/v1/providers/{shown}", {}).status == 404
    assert ours.delete(f"/v1/providers/{shown}").status == 404


def test_scopes_say_who_may_what(ours: Caller) -> None:
    provider = made(ours, smtp())
    reader = caller(ours.tenant, scopes=["providers:read"])
    writer = caller(ours.tenant, scopes=["providers:write"])
    other = caller(ours.tenant, scopes=["notifications:write", "notifications:read"])
    reads = ["/v1/providers", "/v1/drivers", path(provider)]

    for place in reads:
        assert reader.get(place).status == 200
        assert [writer.get(place).status, other.get(place).status] == [403, 403]
    for by in (reader, other):
        said = by.post("/v1/providers", smtp("x"))
        assert (said.status, said.body["code"]) == (403, "forbidden")
        assert "providers:write" in said.body["detail"]
        assert by.patch(path(provider), {"name": "x"}).status == 403
        assert by.delete(path(provider)).status == 403
        assert by.post(path(provider, "/test"), {"recipient": "a@b.example"}).status == 403
    assert writer.patch(path(provider), {"name": "x"}).status == 200
    assert writer.delete(path(provider)).status == 204
    assert Caller(ours.tenant, "hk_live_wrong").get("/v1/providers").status == 401


def test_other_methods_are_not_allowed(ours: Caller) -> None:
    provider = made(ours, smtp())
    said = ours.delete("/v1/providers")
    assert (said.status, said.headers["Allow"]) == (405, "GET, POST, HEAD, OPTIONS")
    assert ours.post(path(provider), {}).status == 405
    assert ours.get(path(provider, "/test")).status == 405
    assert ours.post("/v1/drivers", {}).status == 405


@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("GET", "/v1/providers?offset=1"),
        ("GET", "/v1/providers?limit=0"),
        ("GET", "/v1/providers?enabled=yes"),
        ("POST", "/v1/providers?dry=1"),
        ("GET", "{}?x=1"),
        ("PATCH", "{}?x=1"),
        ("DELETE", "{}?x=1"),
        ("POST", "{}/test?x=1"),
        ("GET", "/v1/drivers?x=1"),
    ],
)
def test_unknown_parameters_are_refused(ours: Caller, method: str, place: str) -> None:
    provider = made(ours, smtp())
    said = ours._ask(method, place.format(path(provider)), {})
    assert (said.status, said.body["code"]) == (400, "bad-query")
    assert ours.get(path(provider)).body == provider


def test_lists_are_paged_and_filtered(ours: Caller) -> None:
    first = made(ours, smtp("a"))
    second = made(ours, smtp("b", enabled=False))
    sms = made(
        ours,
        {
            "channel": "sms",
            "driver": "twilio",
            "name": "c",
            "settings": {"account_sid": "AC" + "0" * 32, "from_number": "+15005550006"},
            "credentials": {"auth_token": CANARY},
        },
    )

    page = ours.get("/v1/providers?limit=2").body
    assert (page["data"], page["has_more"]) == ([sms, second], True)
    rest = ours.get(f"/v1/providers?limit=2&cursor={page['next_cursor']}").body
    assert (rest["data"], rest["has_more"]) == ([first], False)

    for query, wanted in {
        "channel=sms": [sms],
        "driver=smtp": [second, first],
        "enabled=false": [second],
        "enabled=true&channel=email": [first],
        "channel=pigeon": [],
    }.items():
        assert ours.get(f"/v1/providers?{query}").body["data"] == wanted
    assert ours.get(f"/v1/providers?channel=sms&cursor={page['next_cursor']}").status == 400


def test_no_secret_comes_out_anywhere(
    ours: Caller,
    sim: Simulator,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    provider = made(ours, at(sim))
    said = [
        ours.get(path(provider)),
        ours.get("/v1/providers"),
        ours.patch(path(provider), {"credentials": {"password": f"{CANARY}\n"}}),
        ours.patch(path(provider), {"credentials": {"password": [CANARY]}}),
        ours.patch(path(provider), {"credentials": {"token": CANARY}}),
        ours.patch(path(provider), {"credentials": CANARY}),
        ours.patch(path(provider), {"credentials": {"password": CANARY + "x"}}),
        ours.post(path(provider, "/test"), {"recipient": "you@b.example"}),
        ours.patch(path(provider), {"credentials": {"password": CANARY}}),
        ours.post(path(provider, "/test"), {"recipient": "you@b.example"}),
        ours.post("/v1/providers", at(sim) | {"credentials": {"password": {"a": CANARY}}}),
        ours.post("/v1/providers", at(sim)),
    ]
    assert [answer.status for answer in said] == [
        200, 200, 422, 422, 422, 422, 200, 200, 200, 200, 422, 409,
    ]  # fmt: skip

    row = Provider.objects.get()
    everything = b"".join(answer.raw + repr(answer.headers).encode() for answer in said)
    everything += "".join(record.getMessage() + repr(record) for record in caplog.records).encode()
    everything += "".join(capfd.readouterr()).encode()
    everything += repr((row, row.__dict__)).encode() + bytes(row.sealed)
    assert CANARY.encode() not in everything
    assert row.open() == {"password": CANARY}
