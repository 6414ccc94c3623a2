"""set_provider."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from django.utils import timezone

from delivery.models import ProviderHealth
from tenants.models import Provider, Tenant
from tests.commands.running import CANARY, done, refused, said
from tests.tenancy import make_tenant

pytestmark = pytest.mark.django_db

base = (
    "Example", "--driver", "smtp", "--name", "main", "--set", "host=127.0.0.1",
    "--set", "from_email=a@b.example", "--set", "security=none",
)  # fmt: skip


@pytest.fixture(autouse=True)
def tenant() -> Tenant:
    return make_tenant("Example")


def test_it_is_made_and_then_changed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{CANARY}\n")
    made = done(
        "set_provider", *base, "--set", "port=2525", "--set", "username=me",
        "--set", "allowed_from=c@d.example, @e.example", "--secret", f"password=@{secret}",
        "--priority", "3", "--disabled",
    )  # fmt: skip
    assert (made["created"], made["shared"], made["status"]) == (True, False, "disabled")
    assert made["settings"] == {
        "host": "127.0.0.1",
        "from_email": "a@b.example",
        "security": "none",
        "port": 2525,
        "username": "me",
        "allowed_from": ["c@d.example", "@e.example"],
    }
    assert (made["credentials_set"], made["priority"]) == (["password"], 3)
    row = Provider.objects.get()
    assert row.open() == {"password": CANARY}

    changed = done(
        "set_provider", "Example", "--driver", "smtp", "--name", "main", "--set", "port=26",
        "--set", "allowed_from=", "--enabled",
    )  # fmt: skip
    assert (changed["created"], changed["id"]) == (False, made["id"])
    assert (changed["settings"]["port"], changed["status"]) == (26, "usable")
    assert "allowed_from" not in changed["settings"]
    assert changed["priority"] == 3
    assert Provider.objects.get().open() == {"password": CANARY}
    assert CANARY not in json.dumps(changed) + said(
        "set_provider", "Example", "--driver", "smtp", "--name", "main"
    )


def test_a_secret_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{CANARY}\r\n"))
    done("set_provider", *base, "--set", "username=me", "--secret", "password=-")
    assert Provider.objects.get().open() == {"password": CANARY}


def test_a_change_of_credentials_ends_a_pause() -> None:
    done("set_provider", *base)
    row = Provider.objects.get()
    ProviderHealth.objects.create(
        provider=row, tenant=row.tenant, paused_at=timezone.now(), reason="bad_account"
    )
    again = ("set_provider", "Example", "--driver", "smtp", "--name", "main")
    assert done(*again, "--priority", "1")["status"] == "paused"
    assert done(*again, "--secret", f"password={CANARY}")["status"] == "usable"


@pytest.mark.parametrize(
    "words",
    [
        ("--set", "colour=red"), ("--set", "port=x"), ("--set", "port"), ("--set", "=5"),
        ("--set", "port=1", "--set", "port=2"), ("--set", "port=70000"),
        ("--set", "security=ssl"), ("--set", "host="), ("--set", "host=10.0.0.1"),
        ("--secret", CANARY), ("--secret", f"token={CANARY}"),
        ("--secret", "password=@/nowhere"), ("--secret", "password=@/"),
        ("--secret", f"password={CANARY}\nx"), ("--set", "username=me"),
        ("--priority", "-1"), ("--priority", "x"), ("--channel", "sms"),
        ("--enabled", "--disabled"), ("--shared",), ("--name", "x" * 101), ("--name", "a\nb"),
        ("--wat",), ("--driver", "pigeon"),
        ("--secret", "a=-", "--secret", "b=-"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_is_written(words: tuple[str, ...]) -> None:
    text = refused("set_provider", *base, *words)
    assert CANARY not in text
    assert Provider.objects.count() == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--driver", "twilio"), ("--driver", "smtp", "--channel", "sms"),
        ("--driver", "smtp", "--set", "host="), ("--driver", "smtp", "--set", "port=x"),
        ("--driver", "smtp", "--priority", "99999"), ("--driver", "smtp", "--shared"),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_is_refused_whole(words: tuple[str, ...]) -> None:
    before = done("set_provider", *base)
    refused("set_provider", "Example", "--name", "main", "--priority", "5", *words)
    after = done("set_provider", "Example", "--name", "main", "--driver", "smtp")
    assert after | {"created": True, "updated_at": ""} == before | {"updated_at": ""}


def test_only_the_system_tenants_providers_are_shared() -> None:
    make_tenant("Hiram", is_system=True)
    made = done("set_provider", "Hiram", *base[1:], "--shared")
    assert (made["shared"], Provider.objects.get().shared) == (True, True)
    again = ("set_provider", "Hiram", "--driver", "smtp", "--name", "main")
    assert done(*again)["shared"] is True
    assert done(*again, "--not-shared")["shared"] is False
