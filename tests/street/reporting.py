"""A provider that reports: an account of a tenant at the simulator's Resend."""

from __future__ import annotations

from tests.street.tenant import Tenant

SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="


def resend(tenant: Tenant) -> str:
    """Make the provider; the address that it is to call."""
    made = tenant.provider(
        driver="resend",
        settings={
            "api_url": f"{tenant.instance.facts['simulator_url']}/resend/",
            "from_email": tenant.sender,
        },
        credentials={"api_key": "re_1", "webhook_secret": SECRET},
    )
    return str(tenant.ask("GET", f"/v1/providers/{made}").json()["callback_url"])
