"""A tenant's backend: calls the API over HTTP, as a customer's own program would."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from tests.embedded.waiting import until

if TYPE_CHECKING:
    from tests.street.instance import Instance

SECONDS = 40
OWED = ("accepted", "scheduled", "queued", "sending")


@dataclass(frozen=True)
class Tenant:
    """One tenant of an instance."""

    instance: Instance
    id: str
    key: str
    test_key: str

    @property
    def domain(self) -> str:
        """The domain of all its recipients and senders; no other tenant's."""
        return f"{self.id.removeprefix('tnt_').lower()}.example"

    @property
    def sender(self) -> str:
        """Where its mails come from."""
        return f"hello@{self.domain}"

    def to(self, name: str) -> str:
        """A recipient."""
        return f"{name}@{self.domain}"

    def letter(self, name: str = "ada", **fields: Any) -> dict[str, Any]:
        """The body of an e-mail request."""
        return {
            "channel": "email",
            "recipient": self.to(name),
            "subject": "Order confirmed",
            "body": "Thank you.",
            **fields,
        }

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        timeout: float = 40,
        **headers: str,
    ) -> requests.Response:
        """One request on a connection of its own; header names with `_` for `-`."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return requests.request(
            method,
            f"{self.instance.url}{path}",
            data=None if body is None else json.dumps(body),
            headers={"X-Api-Key": key or self.key, "Content-Type": "application/json", **named},
            timeout=timeout,
        )

    def post(self, body: Any = None, **options: Any) -> requests.Response:
        """Post one notification, a plain letter if none is given."""
        return self.ask("POST", "/v1/notifications", body or self.letter(), **options)

    def sent(self, body: Any = None, **options: Any) -> str:
        """Post one notification, which must be accepted; its id."""
        answer = self.post(body, **options)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def get(self, notification: str, *, key: str | None = None) -> dict[str, Any]:
        """A notification as the API shows it."""
        answer = self.ask("GET", f"/v1/notifications/{notification}", key=key)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(
        self, notification: str, *, seconds: float = SECONDS, key: str | None = None
    ) -> dict[str, Any]:
        """The same, once nothing is owed any more."""

        def settled() -> dict[str, Any] | None:
            seen = self.get(notification, key=key)
            return None if seen["status"] in OWED else seen

        found = until(settled, seconds)
        assert found is not None
        return found

    def provider(self, **fields: Any) -> str:
        """Make a provider, one that points at the simulator unless told otherwise; its id."""
        answer = self.ask("POST", "/v1/providers", self.mail_provider() | fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def mail_provider(self) -> dict[str, Any]:
        """The body for a provider of e-mail that points at the simulator."""
        host, _, port = self.instance.facts["simulator_smtp"].rpartition(":")
        return {
            "channel": "email",
            "driver": "smtp",
            "name": "primary",
            "settings": {
                "host": host,
                "port": int(port),
                "security": "none",
                "from_email": self.sender,
                "from_name": "Street",
            },
        }

    def arrived(self, name: str = "ada") -> list[dict[str, Any]]:
        """What the simulator got for this recipient."""
        return self.instance.mailbox.messages(recipient=self.to(name))
