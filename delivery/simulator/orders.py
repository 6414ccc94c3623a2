"""Faults on order: what a test or a developer can make the vendors' clouds do wrong.

kind              what happens
refuse            the connection is cut before anything is said (SMTP) or read (HTTP)
status            the vendor's own error answer: `code`, `enhanced`, `status`, `message`
throttle          the vendor's "slow down": SMTP 450, HTTP 429 with `retry_after`
gateway           an answer that is not the vendor's: HTML with `status` (502); with `accept` the
                  message is taken all the same (HTTP only)
slow              all goes well, the answer comes `seconds` late
tarpit            all goes well, the answer comes one byte every `seconds`
drop              the connection is cut without an answer, nothing is taken
cut_after_accept  the message is taken, then the connection is cut without an answer
duplicate         all goes well, the message arrives twice
callbacks         all goes well, and what becomes of it is called back (HTTP only)

With `callbacks` every kind with which the message is taken calls back, as the fields of
`callbacks.Callbacks` say.

The oldest order that matches is the one that happens. In SMTP, `phase` says when; `body` is while
the mail's text comes in: a client that wrote a small mail all at once cannot tell such a cut from
one after the final dot, so use a mail larger than the sockets' buffers, or phase `data`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from delivery.simulator.callbacks import RESEND, TWILIO, Callbacks

Target = Literal["smtp", "resend", "twilio"]
Kind = Literal[
    "refuse",
    "status",
    "throttle",
    "gateway",
    "slow",
    "tarpit",
    "drop",
    "cut_after_accept",
    "duplicate",
    "callbacks",
]
Phase = Literal["connect", "banner", "ehlo", "auth", "mail", "rcpt", "data", "body", "dot"]
Line = Annotated[str, StringConstraints(max_length=400, pattern=r"^[^\x00-\x1f\x7f]*$")]

# In which phases of an SMTP dialogue a kind can happen; the first is where it happens unasked.
_ANSWERS: tuple[Phase, ...] = ("rcpt", "banner", "ehlo", "auth", "mail", "data", "dot")
PHASES: Mapping[str, tuple[Phase, ...]] = {
    "refuse": ("connect",),
    "status": _ANSWERS,
    "throttle": _ANSWERS,
    "slow": ("dot", *_ANSWERS[:-1]),
    "tarpit": ("dot", *_ANSWERS[:-1]),
    "drop": ("data", "connect", "body", *_ANSWERS),
    "cut_after_accept": ("dot",),
    "duplicate": ("dot",),
    "gateway": (),
    "callbacks": (),
}
# Which kinds an optional field means something for.
_KINDS_WITH: Mapping[str, tuple[str, ...]] = {
    "status": ("status", "gateway"),
    "code": ("status", "throttle"),
    "enhanced": ("status", "throttle"),
    "message": ("status", "throttle"),
    "retry_after": ("status", "throttle", "gateway"),
    "seconds": ("slow", "tarpit"),
    "accept": ("gateway",),
    "callbacks": ("callbacks", "slow", "tarpit", "cut_after_accept", "duplicate", "gateway"),
}
_SMTP_ONLY = ("phase", "enhanced")
_HTTP_ONLY = ("status", "retry_after", "accept", "callbacks")


class Match(BaseModel):
    """Which messages a fault is for: shell patterns, without regard to case."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    recipient: str | None = None
    subject: str | None = None


class Order(BaseModel):
    """A fault as it is asked for. `seconds` and `retry_after` are in seconds.

    `times` bounds how often it happens (null: until deleted). `probability` is drawn from a
    generator seeded with `seed`, so that a run can be repeated.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    target: Target
    kind: Kind
    phase: Phase | None = None
    status: int | None = Field(None, ge=200, le=599)
    code: int | str | None = None
    enhanced: Annotated[str, StringConstraints(pattern=r"^[245]\.\d{1,3}\.\d{1,3}$")] | None = None
    message: Line | None = None
    retry_after: float | None = Field(None, ge=0, le=86_400)
    seconds: float = Field(1, ge=0, le=3_600)
    accept: bool = False
    times: int | None = Field(None, ge=1)
    probability: float = Field(1, gt=0, le=1)
    seed: int | None = None
    match: Match = Match()
    callbacks: Callbacks | None = Field(None, validate_default=True)

    @field_validator(*_KINDS_WITH, "phase")
    @classmethod
    def _means_something(cls, value: object, info: ValidationInfo) -> object:
        target, kind, name = info.data.get("target"), info.data.get("kind"), info.field_name or ""
        if value is None or target is None or kind is None:
            return value
        if name in _SMTP_ONLY and target != "smtp":
            raise ValueError("only a fault of smtp has this")
        if name in _HTTP_ONLY and target == "smtp":
            raise ValueError("a fault of smtp has no such thing")
        if kind not in _KINDS_WITH.get(name, (kind,)):
            raise ValueError(f"a fault of kind {kind} has no such thing")
        return value

    @field_validator("kind")
    @classmethod
    def _possible(cls, value: Kind, info: ValidationInfo) -> Kind:
        if value in ("gateway", "callbacks") and info.data.get("target") == "smtp":
            raise ValueError("no gateway stands before an SMTP server, and it calls nobody")
        return value

    @field_validator("callbacks")
    @classmethod
    def _callable(cls, value: Callbacks | None, info: ValidationInfo) -> Callbacks | None:
        target = info.data.get("target")
        known: Mapping[str, object] = TWILIO if target == "twilio" else RESEND
        if value is None and info.data.get("kind") == "callbacks":
            raise ValueError("say what is called back")
        if value is None or target is None:
            return value
        if strange := sorted(set(value.news) - set(known)):
            raise ValueError(f"{target} does not tell {', '.join(strange)}")
        if target == "resend" and not (value.url and value.secret):
            raise ValueError("Resend needs a url and a secret")
        return value

    @field_validator("status")
    @classmethod
    def _refuses(cls, value: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("kind") == "status" and value is not None and value < 400:
            raise ValueError("a vendor's error has a status of 400 to 599")
        return value

    @field_validator("phase")
    @classmethod
    def _in_time(cls, value: Phase | None, info: ValidationInfo) -> Phase | None:
        possible = PHASES.get(info.data.get("kind", ""), ())
        if value is not None and value not in possible:
            raise ValueError(f"possible for this kind: {', '.join(possible)}")
        return value

    @field_validator("code")
    @classmethod
    def _speaks(cls, value: int | str | None, info: ValidationInfo) -> int | str | None:
        target = info.data.get("target")
        if value is None or target is None:
            return value
        if target == "resend" and not isinstance(value, str):
            raise ValueError("Resend's codes are names, for example validation_error")
        if target != "resend" and not isinstance(value, int):
            raise ValueError("expected a number")
        if target == "smtp" and not 400 <= int(value) <= 599:
            raise ValueError("an SMTP reply code of 400 to 599 refuses")
        return value

    @field_validator("match")
    @classmethod
    def _knowable(cls, value: Match, info: ValidationInfo) -> Match:
        if info.data.get("kind") == "refuse" and value != Match():
            raise ValueError("nothing is known yet when a connection is refused")
        if info.data.get("target") == "twilio" and value.subject is not None:
            raise ValueError("an SMS has no subject")
        if info.data.get("target") != "smtp":
            return value
        phase = info.data.get("phase") or PHASES.get(info.data.get("kind", ""), ("dot",))[0]
        if value.subject is not None and phase != "dot":
            raise ValueError("the subject is known only in phase dot")
        if value.recipient is not None and phase not in ("rcpt", "data", "body", "dot"):
            raise ValueError("the recipient is known only from phase rcpt on")
        return value
