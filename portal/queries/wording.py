"""What codes mean, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from delivery.driver import Answer, Failed, Fault, Sent
from notifications.states import State

COLOURS = {
    State.SENT: "success",
    State.DELIVERED: "success",
    State.READ: "success",
    State.ACKED: "success",
    State.ACCEPTED: "info",
    State.SCHEDULED: "info",
    State.QUEUED: "info",
    State.SENDING: "info",
    State.HELD: "warning",
    State.EXPIRED: "warning",
    State.CANCELED: "warning",
    State.SUPPRESSED: "warning",
    State.FAILED: "danger",
    State.BOUNCED: "danger",
    State.COMPLAINED: "danger",
}

REASONS = {
    "no_provider": "No provider is set up for this channel. It goes out when there is one.",
    "provider_paused": "Every provider of this channel is paused. It goes out when one is not.",
    "sender_not_allowed": "No provider of this channel may send as the sender asked for.",
    "content_gone": "Its content was deleted before it could be sent.",
    "unreadable": "Its content cannot be read.",
    "provider_failing": "Every provider of this channel is failing. One message at a time tries whether one is back.",
    "provider_limited": "Its provider takes no more just now. It goes out when its rate allows.",
    "ordering_key": "It waits for the one before it with the same ordering key.",
    "restored": "Hiram was restored from a backup, and sends nothing until an operator says so.",
    "missed_run": "Hiram could not begin it in time, and its category wants no late ones.",
    "unknown": "A provider may have taken it. It waits for somebody to release or drop it.",
    "dropped": "Somebody decided not to send it again.",
    "defect": "Hiram's own code failed at it again and again.",
    "expired": "Its time was over before a provider took it.",
    "poison": "Workers died on it again and again.",
    "bad_address": "The provider says that this address can never be reached.",
    "bad_content": "The provider says that it never takes this message.",
    "bad_account": "The provider refuses the account's credentials.",
    "credentials": "The stored credentials cannot be read with the configured keys.",
    "driver": "The driver is not installed, or its settings do not fit it any more.",
    "transient": "The provider could not take it just now.",
    "throttled": "The provider asks to slow down.",
    "hard_bounce": "The address can never be reached. It is suppressed from now on.",
    "soft_bounce": "It came back this time. The address may be written to again.",
    "complaint": "The recipient called it spam. The address is suppressed from now on.",
    "suppression:hard_bounce": "An earlier message to this address came back for good.",
    "suppression:complaint": "The recipient complained of an earlier message.",
    "suppression:manual": "Somebody decided that this address must not be written to.",
    "suppression:unsubscribed": "The recipient unsubscribed from this category.",
    "preference": "The user does not want this on this channel.",
    "consent": "It is marketing, and the user has not agreed to it.",
    "block": "The tenant, or this channel, was blocked.",
    "duplicate": "The same was accepted before, within the time in which it is sent once.",
    "erased": "The user was erased.",
    "quiet_hours": "The user is not to be disturbed now. It goes out when that time is over.",
}

DEAD = (
    "bad_address", "bad_content", "content_gone", "unreadable", "sender_not_allowed", "defect",
    "poison", "dropped", "suppression:hard_bounce", "suppression:complaint", "suppression:manual",
    "suppression:unsubscribed", "preference", "consent", "block",
)  # fmt: skip
"""Reasons for which a notification ends `failed`."""

SUPPRESSED = {
    "hard_bounce": "came back for good",
    "complaint": "complained",
    "manual": "added by hand",
    "unsubscribed": "unsubscribed",
}
"""How an address came into the list of the suppressed."""

OUTCOMES = {
    "started": "The call is under way, or its worker died in it.",
    "sent": "The provider took it.",
    "shadow_would_send": "Shadow: everything was done but the call itself.",
    "refused": "It was surely not taken, and is tried again.",
    "rejected": "It is not tried again.",
    "unknown": "The answer was lost: the provider may have taken it.",
    "abandoned": "The worker died in the call: the provider may have taken it.",
}

OUTCOME_COLOURS = {
    "started": "info",
    "sent": "success",
    "shadow_would_send": "success",
    "refused": "warning",
    "rejected": "danger",
    "unknown": "warning",
    "abandoned": "warning",
}

EVENTS = {
    "notification.accepted": "Accepted",
    "notification.attempted": "Attempt finished",
    "notification.sent": "Sent",
    "notification.delivered": "Delivered",
    "notification.bounced": "Bounced",
    "notification.complained": "The recipient complained",
    "notification.deferred": "The provider tries again",
    "notification.rejected": "The provider took it, and does not send it",
    "notification.opened": "Opened",
    "notification.clicked": "A link was followed",
    "notification.failed": "Failed",
    "notification.expired": "Expired",
    "notification.canceled": "Canceled",
    "notification.suppressed": "Suppressed",
    "notification.scheduled": "Scheduled",
    "notification.held": "Held",
    "notification.released": "Released",
    "notification.replayed": "Replayed",
}

DISABLED = {
    "by_hand": "Somebody disabled it.",
    "gone": "It answered 410: it wants no more.",
    "failing": "It took nothing for five days.",
}
"""Why a webhook is told nothing."""

DELIVERY_COLOURS = {
    "accepted": "info",
    "sent": "success",
    "failed": "danger",
    "expired": "warning",
    "canceled": "warning",
}

EVENT_COLOURS = COLOURS | {"deferred": "warning", "rejected": "danger"}
"""By an event's name without `notification.`."""

ROUTES = {
    "scoped": "It is the provider of this user, organisation or app.",
    "only_provider": "It is the only provider of this channel.",
    "primary": "It is the first by priority.",
    "weighted": "It was drawn by weight among providers of the same priority.",
    "shifted": "The first by priority has a smaller share for now, because it erred.",
    "failover": "Those before it could not carry it.",
    "probe": "To try whether it works again.",
    "after_unknown": "It may have the message already, and knows it again.",
    "last_resort": "It is slow, but no other could carry it.",
    "simulator": "What a test key sends goes to the simulator.",
}

PASSED_OVER = {
    "paused": "is paused",
    "failing": "is failing",
    "slow": "is slow",
    "probing": "is being tried with another message",
    "refused": "refused it before",
    "limited": "takes no more just now",
    "unreadable": "cannot be used with its stored account",
    "disabled": "is disabled",
    "deleted": "was deleted",
    "sender_not_allowed": "may not send as this sender",
}

SCOPES = {
    "user": "It was sent by the user's sender config.",
    "org": "It was sent by the organisation's sender config.",
    "app": "It was sent by the app's sender config.",
}


def route_in_words(route: Any) -> str:
    """Why this provider, and why not those before it."""
    if not isinstance(route, dict):
        return ""
    over = [
        f"{one.get('provider')} {PASSED_OVER.get(one.get('reason'), one.get('reason'))}"
        for one in route.get("passed_over", ())
    ]
    said = ROUTES.get(route.get("reason", ""), str(route.get("reason")))
    scope = SCOPES.get(str(route.get("scope")), "")
    words = (said, f"{'; '.join(over)}." if over else "", scope)
    return " ".join(word for word in words if word)


def trouble_in_words(trouble: str | None, share: int) -> str:
    """Why a provider gets less than its part."""
    if trouble == "slow":
        return "Its calls take too long. It is used where nothing else is left."
    if trouble:
        return "Half of its calls fail. One message at a time tries whether it is back."
    return f"Some of its calls fail. For now it gets {share} % of its part."


def reason_in_words(code: str | None) -> str:
    """A reason for people; an unknown code is shown as it is."""
    return REASONS.get(code or "", code or "")


def event_in_words(kind: str) -> str:
    """An event's name for people."""
    return EVENTS.get(kind, kind.removeprefix("notification.").replace("_", " ").capitalize())


@dataclass(frozen=True, slots=True)
class InWords:
    """A provider's answer: its colour, what it means, and what exactly was said."""

    colour: str
    meaning: str
    said: str


_FAULTS = {
    Fault.TRANSIENT: "Not taken just now. A notification would be tried again.",
    Fault.THROTTLED: "Not taken: too much at once. A notification would be tried again later.",
    Fault.BAD_ADDRESS: "Refused: this recipient cannot be reached.",
    Fault.BAD_ACCOUNT: "Refused: the provider does not accept the credentials or the account.",
    Fault.BAD_CONTENT: "Refused: the provider does not take this message.",
}


def answer_in_words(answer: Answer, seconds: float) -> InWords:
    """What a driver's answer to a test says, and how long it took."""
    took = f"after {duration_in_words(seconds)}"
    said = " ".join(part for part in (answer.code, answer.detail, took) if part)
    if isinstance(answer, Sent):
        return InWords("success", "The provider took the message.", said)
    if isinstance(answer, Failed):
        return InWords("danger", _FAULTS[answer.fault], said)
    return InWords("warning", "No clear answer: the message may have gone out.", said)


def duration_in_words(seconds: float) -> str:
    """`37 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 1:
        return f"{max(0, round(seconds * 1000))} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for big, big_name, small, small_name in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= big:
            rest = whole % big // small
            return f"{whole // big} {big_name}" + (f" {rest} {small_name}" if rest else "")
    return f"{whole} s"
