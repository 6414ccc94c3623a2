"""Provider: a tenant's account as it is given, changed and shown."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from notifications.one_line import one_line

NAME_CHARACTERS = 100
_SMALL = 32_767

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=NAME_CHARACTERS, strip_whitespace=True),
    AfterValidator(one_line),
]
Priority = Annotated[int, Field(ge=0, le=_SMALL, description="Lower is tried first.")]
Weight = Annotated[
    int, Field(ge=1, le=_SMALL, description="Its part among providers of the same priority.")
]
Rate = Annotated[
    float,
    Field(
        strict=False,
        gt=0,
        le=100_000,
        allow_inf_nan=False,
        description="Calls in a second, of all workers together; null is the driver's default.",
    ),
]
InFlight = Annotated[
    int, Field(ge=1, le=_SMALL, description="Calls at the same time, of all workers together.")
]


class NewProvider(BaseModel):
    """The body of `POST /v1/providers`."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    channel: str = Field(examples=["email"])
    driver: str = Field(examples=["smtp"])
    name: Name
    settings: dict[str, Any] = Field(default_factory=dict)
    credentials: dict[str, Any] = Field(
        default_factory=dict, repr=False, json_schema_extra={"writeOnly": True}
    )
    priority: Priority = 100
    weight: Weight = 1
    max_per_second: Rate | None = None
    max_in_flight: InFlight | None = None
    enabled: bool = True


class ProviderChange(BaseModel):
    """The body of `PATCH /v1/providers/{id}`: what is left out stays as it is.

    Fields of `settings` and `credentials` are changed one by one; null removes an optional one.
    """

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    # No default is ever written, only what was given; null is not among the types.
    name: Name = Field(default_factory=str)
    settings: dict[str, Any] = Field(default_factory=dict)
    credentials: dict[str, Any] = Field(
        default_factory=dict, repr=False, json_schema_extra={"writeOnly": True}
    )
    priority: Priority = Field(default_factory=int)
    weight: Weight = Field(default_factory=int)
    max_per_second: Rate | None = None
    max_in_flight: InFlight | None = None
    enabled: bool = Field(default_factory=bool, description="true also ends a pause.")

    @property
    def mends(self) -> bool:
        """Whether it may end what paused the provider."""
        return self.enabled or bool(self.model_fields_set & {"settings", "credentials"})


class ShownProvider(BaseModel):
    """A provider as it is shown: of the credentials only which are set."""

    id: str
    channel: str
    driver: str
    name: str
    settings: dict[str, Any]
    credentials_set: list[str]
    priority: int
    weight: int
    max_per_second: float | None
    max_in_flight: int | None
    enabled: bool
    callback_url: str | None = Field(
        description="Where the vendor is to report what became of messages; null where it cannot."
    )
    status: str = Field(
        description="usable; degraded: it gets less than its part; paused: until it is changed;"
        " disabled"
    )
    reason: str | None = Field(
        description="Why it is paused or degraded: `failing` or `slow` is called only to try it,"
        " `errors` has a smaller share."
    )
    detail: str | None = Field(description="What the provider said.")
    share: int = Field(description="How much of its part it gets, in points of 100.")
    degraded_at: str | None = Field(description="Since when.")
    created_at: str
    updated_at: str
