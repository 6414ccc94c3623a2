"""What an SMTP refusal means: the table from (phase, reply code, enhanced code) to a fault.

The reply code's first digit decides whether a refusal is for now or for good (RFC 5321 section
4.2.1), the enhanced code says of what (RFC 3463 and its IANA registry), and the phase says of
whom where neither does. A fault that stops one message is preferred to one that stops the
account, and that to one that suppresses an innocent recipient.
"""

from __future__ import annotations

import re
from enum import StrEnum

from delivery.driver import Fault


class Phase(StrEnum):
    """Where a dialogue stands. Only from DOT on may the message have been taken."""

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "EHLO"
    TLS = "TLS"
    AUTH = "AUTH"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    BODY = "message"
    DOT = "end of message"


GREYLIST_SECONDS = 300.0  # the usual least wait of greylisting servers (RFC 6647 section 4)
QUOTA_SECONDS = 3600.0

_OPENING = (Phase.CONNECT, Phase.BANNER, Phase.EHLO, Phase.TLS)
TRANSACTION = (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY, Phase.DOT)

# RFC 4954 section 6: authentication required, mechanism too weak, credentials refused, TLS needed.
_ACCOUNT_CODES = (530, 534, 535, 538)

# Exchange Online and Gmail count a day's quota as a permanent refusal
# (learn.microsoft.com, "Email non-delivery reports"; support.google.com/a/answer/3726730).
_DAILY = ("1.90", "4.5")

# Subject and detail of class 5, whatever the phase.
_ENHANCED = {
    "1.7": Fault.BAD_ACCOUNT,  # the sender's address is malformed
    "1.8": Fault.BAD_ACCOUNT,  # the sender's domain is not accepted
    "1.90": Fault.THROTTLED,
    "2.2": Fault.TRANSIENT,  # mailbox full: "a persistent transient failure" (RFC 3463 3.3)
    "2.3": Fault.BAD_CONTENT,  # longer than the mailbox allows
    "3.1": Fault.TRANSIENT,  # the system's storage is full
    "3.2": Fault.TRANSIENT,  # not accepting now
    "3.4": Fault.BAD_CONTENT,  # too big
    "3.5": Fault.TRANSIENT,  # the system is misconfigured
    "4.5": Fault.THROTTLED,  # congestion
    "7.8": Fault.BAD_ACCOUNT,  # RFC 4954: credentials
    "7.9": Fault.BAD_ACCOUNT,
    "7.10": Fault.BAD_ACCOUNT,  # encryption needed
    "7.11": Fault.BAD_ACCOUNT,
    "7.12": Fault.BAD_ACCOUNT,
    "7.13": Fault.BAD_ACCOUNT,  # our account is disabled
    "7.14": Fault.BAD_ACCOUNT,
    "7.17": Fault.BAD_ADDRESS,  # RFC 7293: the mailbox has changed its owner
    "7.18": Fault.BAD_ADDRESS,
    "7.20": Fault.BAD_ACCOUNT,  # RFC 7372: DKIM, SPF, reverse DNS of the sender's domain or host
    "7.21": Fault.BAD_ACCOUNT,
    "7.22": Fault.BAD_ACCOUNT,
    "7.23": Fault.BAD_ACCOUNT,
    "7.24": Fault.BAD_ACCOUNT,
    "7.25": Fault.BAD_ACCOUNT,
    "7.26": Fault.BAD_ACCOUNT,
    "7.27": Fault.BAD_ACCOUNT,  # RFC 7505: the sender's domain takes no mail
    "7.28": Fault.THROTTLED,  # mail flood
    "7.29": Fault.BAD_ACCOUNT,
    "7.57": Fault.BAD_ACCOUNT,  # Exchange Online, as above: not authenticated, may not send as,
    "7.60": Fault.BAD_ACCOUNT,  # blocked for spam, over the tenant's threshold
    "7.64": Fault.BAD_ACCOUNT,
    "7.501": Fault.BAD_ACCOUNT,
    "7.502": Fault.BAD_ACCOUNT,
    "7.503": Fault.BAD_ACCOUNT,
    "7.511": Fault.BAD_ACCOUNT,
    "7.705": Fault.BAD_ACCOUNT,
    "7.708": Fault.BAD_ACCOUNT,
    "7.750": Fault.BAD_ACCOUNT,
}

# RCPT without a telling enhanced code. 552 is "too many recipients" from servers that follow
# RFC 821, to be treated as temporary (RFC 5321 4.5.3.1.10), or a full mailbox. 500 to 504 and 555
# blame our dialogue, not the recipient.
_RCPT = {
    500: Fault.TRANSIENT,
    501: Fault.BAD_ADDRESS,
    502: Fault.TRANSIENT,
    503: Fault.TRANSIENT,
    504: Fault.TRANSIENT,
    550: Fault.BAD_ADDRESS,
    551: Fault.BAD_ADDRESS,
    552: Fault.TRANSIENT,
    553: Fault.BAD_ADDRESS,
    555: Fault.TRANSIENT,
    556: Fault.BAD_ADDRESS,  # RFC 7504: the domain takes no mail
}
# RCPT by the subject of an enhanced code. X.7: "the sender is not authorized to send to the
# destination" (RFC 3463 3.8) is a filter's word about this message to this recipient; neither is
# bad for others. X.4 is routing to the domain.
_RCPT_SUBJECT = {
    "1": Fault.BAD_ADDRESS,
    "2": Fault.BAD_ADDRESS,
    "4": Fault.TRANSIENT,
    "6": Fault.BAD_CONTENT,
    "7": Fault.BAD_CONTENT,
}
_RCPT_ENHANCED = {
    "4.1": Fault.BAD_ADDRESS,  # Exchange's directory based blocking of unknown recipients
    "4.4": Fault.BAD_ADDRESS,  # no route to the domain
    "6.7": Fault.BAD_ADDRESS,  # RFC 6531: non-ASCII addresses are not taken
}
# After the recipient was accepted a refusal is of the content, unless it says otherwise.
_CONTENT_SUBJECT = {"1": Fault.BAD_ADDRESS, "2": Fault.BAD_ADDRESS, "4": Fault.TRANSIENT}

# "Relay access denied" and its like: the server does not know us, the recipient is innocent. Not
# every server has a code of its own for it (Exim says plain 550).
_RELAY = re.compile(r"\brelay", re.IGNORECASE)
_GREYLIST = re.compile(r"gr[ae]y-?list", re.IGNORECASE)


def classify(phase: Phase, code: int, enhanced: str = "", text: str = "") -> Fault:
    """Why the server refused at `phase`, from its reply code, enhanced code and words.

    `enhanced` is "5.1.1" or empty. Codes below 400 where a refusal is meant are garbage, and
    transient.
    """
    detail = enhanced.partition(".")[2]
    if code < 500:
        return _for_now(phase, code, detail)
    if phase in _OPENING:
        # A host that turns us away at the door (554) may be in maintenance, or block us for a
        # while; one that never takes mail says 521 (RFC 7504).
        return Fault.BAD_ACCOUNT if code == 521 else Fault.TRANSIENT
    if phase is Phase.AUTH or code in _ACCOUNT_CODES:
        return Fault.BAD_ACCOUNT
    if detail in _ENHANCED:
        return _ENHANCED[detail]
    if phase is Phase.MAIL:
        return _sender(code, detail)
    if phase is Phase.RCPT:
        return _recipient(code, detail, text)
    return _CONTENT_SUBJECT.get(detail.partition(".")[0], Fault.BAD_CONTENT)


def retry_after(code: int, enhanced: str = "", text: str = "") -> float | None:
    """Seconds that a refusal asks to wait, where its codes or words imply it."""
    detail = enhanced.partition(".")[2]
    if code >= 500:
        return QUOTA_SECONDS if detail in _DAILY else None
    if detail.startswith("7.") or _GREYLIST.search(text):
        return GREYLIST_SECONDS
    return None


def _for_now(phase: Phase, code: int, detail: str) -> Fault:
    """4yz. X.3.2 names excessive load (RFC 3463 3.4); 454 after AUTH is Amazon SES's "Maximum
    sending rate exceeded" (docs.aws.amazon.com/ses, "SMTP response codes").
    """
    if detail in ("3.2", "4.5", "7.28"):
        return Fault.THROTTLED
    if code == 454 and phase in TRANSACTION:
        return Fault.THROTTLED
    return Fault.TRANSIENT


def _sender(code: int, detail: str) -> Fault:
    """MAIL FROM names only the sender, the size and the encoding: it is one of these.

    A refused sender (553, 5.7.1: Postfix's "not owned by user", Exchange's "send as denied")
    is refused for every message, so the account is paused and no row is lost.
    """
    if code == 552 or detail.startswith("6."):
        return Fault.BAD_CONTENT
    return Fault.BAD_ACCOUNT


def _recipient(code: int, detail: str, text: str) -> Fault:
    if _RELAY.search(text):
        return Fault.BAD_ACCOUNT
    if detail in _RCPT_ENHANCED:
        return _RCPT_ENHANCED[detail]
    by_subject = _RCPT_SUBJECT.get(detail.partition(".")[0])
    return by_subject or _RCPT.get(code, Fault.BAD_CONTENT)
