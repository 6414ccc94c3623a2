"""demo."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from delivery.simulator.server import Simulator
from hiram.lib import ids
from tenants.models import ApiKey, Provider, Tenant, User
from tests.commands.running import done, refused, said
from tests.tenancy import Caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def sim(settings: Settings) -> Iterator[Simulator]:
    with Simulator() as simulator:
        settings.SIMULATOR_SMTP = f"127.0.0.1:{simulator.smtp_port}"
        settings.SIMULATOR_URL = simulator.http_url
        yield simulator


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Settings) -> Path:
    settings.HIRAM_HOME = tmp_path / "home"
    return Path(settings.HIRAM_HOME)


def written(home: Path) -> dict[str, str]:
    return dict(json.loads((home / "demo.json").read_text()))


def test_it_makes_what_a_newcomer_needs(home: Path, sim: Simulator) -> None:
    printed = said("demo")
    facts = written(home)
    assert list(facts) == [
        "base_url", "ops_url", "portal_url", "portal_user", "portal_password", "mailbox_url",
        "tenant_id", "api_key", "test_api_key", "simulator_url", "simulator_smtp", "curl",
    ]  # fmt: skip
    for name in ("demo.json", "demo-secrets.json"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    for name in ("api_key", "test_api_key", "portal_password"):
        assert facts[name] not in printed
    assert facts["api_key"] in facts["curl"]
    assert facts["mailbox_url"] == facts["simulator_url"] == sim.http_url
    tenant = Tenant.objects.get(name="Demo")
    assert facts["tenant_id"] == ids.show("tnt", tenant.pk)
    user = User.objects.get(email=facts["portal_user"])
    assert user.check_password(facts["portal_password"])
    assert user.is_operator

    live, test = Caller(tenant, facts["api_key"]), Caller(tenant, facts["test_api_key"])
    assert live.get("/v1/handshake").body["mode"] == "live"
    assert test.get("/v1/handshake").body["mode"] == "test"
    for provider in live.get("/v1/providers").body["data"]:
        to = {"email": "you@b.example", "sms": "+14155550100"}[provider["channel"]]
        path = f"/v1/providers/{provider['id']}/test"
        answer = live.post(path, {"recipient": to}).body
        assert answer["outcome"] == "sent", answer
    assert {mail.sender for mail in sim.messages()} == {"hello@demo.example", "+15005550006"}

    system = Tenant.objects.get(is_system=True)
    [own] = Provider.objects.filter(tenant=system)
    assert (own.channel, own.shared) == ("email", False)


def test_a_second_run_changes_nothing(home: Path, sim: Simulator) -> None:
    said("demo")
    facts = written(home)
    rows = list(Provider.objects.order_by("pk").values())
    said("demo")
    assert written(home) == facts
    assert list(Provider.objects.order_by("pk").values()) == rows
    assert [Tenant.objects.count(), ApiKey.objects.count(), User.objects.count()] == [2, 2, 1]


def test_what_was_revoked_or_changed_is_respected(home: Path, sim: Simulator) -> None:
    said("demo")
    facts = written(home)
    done("revoke_key", facts["api_key"])
    user = User.objects.get()
    user.set_password("their own choice")
    user.save()
    Tenant.objects.filter(name="Demo").update(name="Renamed")
    Provider.objects.filter(channel="sms").update(enabled=False)

    said("demo")

    again = written(home)
    changed = {name for name in facts if facts[name] != again[name]}
    assert changed == {"api_key", "portal_password", "curl"}
    assert again["portal_password"] == ""
    user.refresh_from_db()
    assert user.check_password("their own choice")
    tenant = Tenant.objects.get(name="Renamed")
    assert Caller(tenant, again["api_key"]).get("/v1/handshake").status == 200
    assert not Provider.objects.get(channel="sms").enabled

    said("demo")
    assert written(home) == again


def test_it_follows_the_simulator(home: Path, sim: Simulator, settings: Settings) -> None:
    said("demo")
    Provider.objects.filter(channel="email").update(
        settings={**Provider.objects.filter(channel="email")[0].settings, "from_name": "Mine"}
    )
    settings.SIMULATOR_SMTP, settings.SIMULATOR_URL = "127.0.0.1:2", "http://127.0.0.1:3"
    said("demo")
    for row in Provider.objects.filter(channel="email"):
        assert (row.settings["port"], row.settings["from_name"]) == (2, "Mine")
    [sms] = Provider.objects.filter(channel="sms")
    assert sms.settings["api_url"] == "http://127.0.0.1:3/twilio"
    assert written(home)["simulator_smtp"] == "127.0.0.1:2"


def test_a_lost_file_is_made_anew(home: Path, sim: Simulator) -> None:
    said("demo")
    (home / "demo-secrets.json").unlink()
    said("demo")
    facts = written(home)
    tenant = Tenant.objects.get(name="Demo")
    assert facts["tenant_id"] == ids.show("tnt", tenant.pk)
    assert Caller(tenant, facts["api_key"]).get("/v1/handshake").status == 200
    assert User.objects.get().check_password(facts["portal_password"])


def test_it_is_refused_where_it_does_not_belong(home: Path, settings: Settings) -> None:
    settings.SIMULATOR_SMTP = settings.SIMULATOR_URL = ""
    assert "simulator" in refused("demo")
    settings.SIMULATOR_SMTP, settings.SIMULATOR_URL = "127.0.0.1:2", "http://127.0.0.1:3"
    settings.PRODUCTION = True
    assert "production" in refused("demo")
    assert (Tenant.objects.count(), home.exists()) == (0, False)
    settings.PRODUCTION = False
    home.mkdir()
    (home / "demo-secrets.json").write_text("{")
    assert "demo-secrets.json" in refused("demo")
    assert Tenant.objects.count() == 0
