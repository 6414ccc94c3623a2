"""`demo`: what a newcomer finds after `manage.py up`."""

from __future__ import annotations

import json
import os
import secrets
import shlex
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from delivery.provider import NewProvider, ProviderChange
from delivery.providers import add, change
from hiram import env
from hiram.lib import ids, rest
from hiram.lib.commands import Command as Base
from hiram.lib.commands import CommandError
from notifications.catalog.seeds import seed
from tenants.auth import issue_key
from tenants.models import ALL_SCOPES, ApiKey, Provider, Tenant, User
from tenants.models.api_key import digest

OPS_PORT = env.integer(
    "HIRAM_OPS_PORT", 3359, least=1, about="the port of /healthz, /readyz and /metrics"
)
OPERATOR = "operator@hiram.example"


class Command(Base):
    """May be repeated: what is there stays, addresses are brought up to date."""

    help = (
        "Make the demo tenant with keys and providers that point at the simulator, an operator,"
        " and Hiram's own system tenant; write what a newcomer needs to demo.json in HIRAM_HOME."
        " `up` runs this. Refused in production."
    )
    examples = "manage.py demo"

    def work(self, **options: Any) -> dict[str, Any]:
        """Make what is missing; secrets are written to files only."""
        if settings.PRODUCTION:
            raise CommandError("There is no demo in production.")
        if not (settings.SIMULATOR_SMTP and settings.SIMULATOR_URL):
            raise CommandError(
                "The demo needs the simulator: run `manage.py up`,"
                " or set HIRAM_SIMULATOR_SMTP and HIRAM_SIMULATOR_URL."
            )
        home = Path(settings.HIRAM_HOME)
        home.mkdir(parents=True, exist_ok=True)
        known = _read(home / "demo-secrets.json")
        with transaction.atomic():
            _system()
            tenant = _tenant(known)
            for kind, name in (("live", "api_key"), ("test", "test_api_key")):
                known[name] = _key(tenant, kind, known.get(name))
            seed(tenant.pk)
            known["portal_password"] = _operator(known.get("portal_password"))
            _write(home / "demo-secrets.json", known)
        _write(home / "demo.json", _facts(known))
        return {"tenant_id": known["tenant_id"], "written": str(home / "demo.json")}


def _system() -> None:
    tenant, _ = Tenant.objects.get_or_create(is_system=True, defaults={"name": "Hiram"})
    _mail_provider(tenant, "hiram@hiram.example", "Hiram")


def _tenant(known: dict[str, str]) -> Tenant:
    tenant = None
    if "tenant_id" in known:
        tenant = Tenant.objects.filter(pk=ids.parse("tnt", known["tenant_id"])).first()
    if tenant is None:
        tenant, _ = Tenant.objects.get_or_create(name__iexact="Demo", defaults={"name": "Demo"})
    known["tenant_id"] = ids.show("tnt", tenant.pk)
    _mail_provider(tenant, "hello@demo.example", "Demo")
    _provider(
        tenant,
        NewProvider(
            channel="sms",
            driver="twilio",
            name="simulator-sms",
            settings={
                "account_sid": "AC" + "0" * 32,
                "from_number": "+15005550006",
                "api_url": f"{settings.SIMULATOR_URL.rstrip('/')}/twilio",
            },
            credentials={"auth_token": "simulator"},
        ),
        moving=("api_url",),
    )
    return tenant


def _mail_provider(tenant: Tenant, sender: str, sender_name: str) -> None:
    host, _, port = settings.SIMULATOR_SMTP.rpartition(":")
    _provider(
        tenant,
        NewProvider(
            channel="email",
            driver="smtp",
            name="simulator",
            settings={
                "host": host,
                "port": int(port),
                "security": "none",
                "from_email": sender,
                "from_name": sender_name,
            },
        ),
        moving=("host", "port"),
    )


def _provider(tenant: Tenant, wanted: NewProvider, *, moving: tuple[str, ...]) -> None:
    """Make it, or bring the settings that move with the simulator up to date."""
    found = Provider.objects.filter(tenant=tenant, name=wanted.name).first()
    if found is None:
        add(tenant.pk, wanted)
        return
    fresh = {name: wanted.settings[name] for name in moving}
    if found.driver == wanted.driver and fresh != {n: found.settings.get(n) for n in moving}:
        secrets_again = {"settings": fresh, "credentials": wanted.credentials}
        change(found, rest.validate(ProviderChange, secrets_again))


def _key(tenant: Tenant, mode: str, text: str | None) -> str:
    """The known key if it still opens everything, else a new one."""
    if text is not None:
        key = ApiKey.objects.filter(
            digest=digest(text), tenant=tenant, mode=mode, revoked_at=None, expires_at=None
        ).first()
        if key is not None and set(ALL_SCOPES) <= set(key.scopes):
            return text
    _, text = issue_key(tenant, name=f"demo {mode}", mode=mode, scopes=ALL_SCOPES)
    return text


def _operator(password: str | None) -> str:
    """The operator's password; empty when they chose another, which stays theirs."""
    user = User.objects.filter(email__iexact=OPERATOR).first()
    if user is not None and password is not None:
        return password if password and user.check_password(password) else ""
    password = secrets.token_urlsafe(12)
    if user is None:
        User.objects.create_superuser(OPERATOR, password, name="Operator")
    else:
        user.set_password(password)
        user.save(update_fields=["password"])
    return password


def _facts(known: dict[str, str]) -> dict[str, str]:
    base = settings.PUBLIC_URL
    return {
        "base_url": base,
        "ops_url": f"http://127.0.0.1:{OPS_PORT}",
        "portal_url": f"{base}/portal/",
        "portal_user": OPERATOR,
        "portal_password": known["portal_password"],
        "mailbox_url": settings.SIMULATOR_URL,
        "tenant_id": known["tenant_id"],
        "api_key": known["api_key"],
        "test_api_key": known["test_api_key"],
        "simulator_url": settings.SIMULATOR_URL,
        "simulator_smtp": settings.SIMULATOR_SMTP,
        "curl": _curl(base, known["api_key"]),
    }


def _curl(base: str, key: str) -> str:
    letter = {
        "channel": "email",
        "recipient": "you@example.com",
        "subject": "Hello from Hiram",
        "body": "It works.",
    }
    words = ["curl", "-i", f"{base}/v1/notifications", "-H", f"X-Api-Key: {key}"]
    words += ["-H", "Content-Type: application/json", "-d", json.dumps(letter)]
    return shlex.join(words)


def _read(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read; remove it to begin anew.") from error


def _write(path: Path, facts: dict[str, str]) -> None:
    """Replace the file at once, readable by its owner only."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(json.dumps(facts, indent=2) + "\n")
    draft.replace(path)
