"""What these endpoints take and answer, besides a provider itself."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from delivery.accounts import schema
from delivery.driver import Driver
from delivery.provider import ShownProvider


class ProviderPage(BaseModel):
    """One page, newest first."""

    data: list[ShownProvider]
    next_cursor: str | None
    has_more: bool


class ProviderTest(BaseModel):
    """The body of a test."""

    model_config = ConfigDict(extra="forbid", strict=True)

    recipient: str


class ProviderTestAnswer(BaseModel):
    """What the provider answered; `shadow_would_send` where nothing may be sent."""

    outcome: Literal["sent", "failed", "unknown", "shadow_would_send"]
    fault: str | None = Field(description="Why it failed, as in an attempt.")
    code: str | None
    enhanced_code: str | None
    detail: str | None
    provider_message_id: str | None
    duration_ms: int


class ShownDriver(BaseModel):
    """What an account of a driver is made of; `settings` and `credentials` are JSON Schemas."""

    driver: str
    channel: str
    label: str
    gives_receipts: bool
    takes_idempotency_key: bool
    max_per_second: float | None
    settings: dict[str, Any]
    credentials: dict[str, Any]


class DriverList(BaseModel):
    """All drivers that are installed."""

    data: list[ShownDriver]


def shown_driver(key: str, driver: Driver) -> dict[str, Any]:
    """A driver as the API shows it."""
    return ShownDriver(
        driver=key,
        channel=driver.channel,
        label=driver.label,
        gives_receipts=driver.gives_receipts,
        takes_idempotency_key=driver.takes_idempotency_key,
        max_per_second=driver.max_per_second,
        settings=schema(driver.settings),
        credentials=schema(driver.credentials, secret=True),
    ).model_dump()
