"""What e-mail drivers over anymail share of receipts: anymail checks signatures and reads.

Its webhook views are used as what they are besides views: validators and parsers of a request.
None of them is routed, and none looks for anything in Django's settings.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, ClassVar
from urllib.parse import urlsplit

from anymail.exceptions import AnymailWebhookValidationFailure
from anymail.signals import EventType
from django.core.handlers.wsgi import WSGIRequest

from delivery.driver import Account, Forged, Kind, Report, Request, Unreadable, described

RAW_CHARACTERS = 16_384

KINDS: Mapping[str, Kind] = {
    EventType.QUEUED: Kind.ACCEPTED,
    EventType.SENT: Kind.ACCEPTED,
    EventType.DELIVERED: Kind.DELIVERED,
    EventType.DEFERRED: Kind.DEFERRED,
    EventType.BOUNCED: Kind.BOUNCED,
    EventType.COMPLAINED: Kind.COMPLAINED,
    EventType.REJECTED: Kind.REJECTED,
    EventType.FAILED: Kind.REJECTED,
    EventType.OPENED: Kind.OPENED,
    EventType.CLICKED: Kind.CLICKED,
}
"""Anymail's names of what happened; what is not here (subscriptions, auto-replies) is no receipt."""

_building = threading.Lock()


def signed_with(label: str) -> Any:
    """The declared credential by which the vendor's calls are told from others'."""
    help_ = "From the webhook's page at the vendor: with it, only signed callbacks are taken."
    return described(label, help=help_, required=False)


class AnymailReceipts:
    """The part of an anymail driver that reads its vendor's calls."""

    webhook: ClassVar[Any] = None
    """Anymail's view class for tracking."""

    webhook_option: ClassVar[str] = ""
    """The view's own name of the secret; empty where the vendor signs nothing."""

    kinds: ClassVar[Mapping[str, Kind]] = KINDS

    def receipts(self, account: Account, request: Request) -> list[Report] | Forged | Unreadable:
        """See `Driver.receipts`."""
        try:
            view = self._view(account, request)
            asked = _as_django(request)
        except Exception:  # a secret of another form
            return Forged("the signature cannot be checked by this secret")
        if objection := self.objection(view, asked, account, request):
            return objection
        try:
            return [
                report for event in view.parse_events(asked) for report in self._reports(event)
            ]
        except Exception as error:  # anymail takes calls apart without looking first
            return Unreadable(type(error).__name__)

    def objection(
        self, view: Any, asked: Any, account: Account, request: Request
    ) -> Forged | Unreadable | None:
        """Why the call cannot be the vendor's, as far as it signs."""
        if self.webhook_option and not self.webhook_key(account):
            return None
        try:
            view.run_validators(asked)
        except AnymailWebhookValidationFailure:
            return Forged("the signature is missing or wrong")
        except Exception as error:
            seen = type(error).__name__
            return Forged(seen) if self.webhook_option else Unreadable(seen)
        return None

    def webhook_key(self, account: Account) -> str:
        """The secret that the vendor signs with; empty if the account has none."""
        return str(getattr(account.credentials, "webhook_secret", ""))

    def webhook_options(self, account: Account, request: Request) -> dict[str, Any]:
        """Every option of the view."""
        return {self.webhook_option: self.webhook_key(account)} if self.webhook_option else {}

    def message_of(self, event: Any) -> Any:
        """What the vendor calls the message, as it did when it took it."""
        return event.message_id

    def recipient_of(self, event: Any) -> Any:
        """Whom the event is about."""
        return event.recipient

    def is_hard(self, event: Mapping[str, Any]) -> bool:
        """Whether this bounce, in the vendor's form, says that the address is no good for ever."""
        return False

    def _view(self, account: Account, request: Request) -> Any:
        options = {"webhook_secret": [], **self.webhook_options(account, request)}
        with _building, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of missing passwords: the URL has a token
            return self.webhook(**options)

    def _reports(self, event: Any) -> list[Report]:
        kind = self.kinds.get(event.event_type)
        if kind is None:
            return []
        source = event.esp_event.dict() if hasattr(event.esp_event, "dict") else event.esp_event
        metadata = event.metadata if isinstance(event.metadata, Mapping) else {}
        return [
            Report(
                kind,
                _text(self.message_of(event)),
                _text(metadata.get("attempt_id") or metadata.get("key")),
                _text(event.event_id),
                _moment(event.timestamp),
                _text(self.recipient_of(event)),
                kind is Kind.BOUNCED and self.is_hard(source),
                "",
                _text(event.mta_response or event.description),
                json.dumps(source, default=str)[:RAW_CHARACTERS],
            )
        ]


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else ""


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _as_django(request: Request) -> WSGIRequest:
    parts = urlsplit(request.url)
    environ: dict[str, Any] = {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()
    }
    return WSGIRequest(
        environ
        | {
            "REQUEST_METHOD": request.method,
            "wsgi.url_scheme": parts.scheme,
            "wsgi.input": BytesIO(request.body),
            "SERVER_NAME": parts.hostname,
            "SERVER_PORT": str(parts.port or ""),
            "PATH_INFO": parts.path,
            "QUERY_STRING": request.query,
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(request.body)),
        }
    )
