"""The table from SMTP's refusals to faults, all of it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import pytest

from delivery.driver import Fault
from delivery.smtp_driver.faults import TRANSACTION, Phase, classify, retry_after

T, R = Fault.TRANSIENT, Fault.THROTTLED
ADDRESS, ACCOUNT, CONTENT = Fault.BAD_ADDRESS, Fault.BAD_ACCOUNT, Fault.BAD_CONTENT
OPENING = [phase for phase in Phase if phase not in (*TRANSACTION, Phase.AUTH)]

Row = tuple[Iterable[Phase], tuple[int, ...], tuple[str, ...], str, Fault]
"""Phases, codes, enhanced codes, and a text; all of them together mean the fault."""

TABLE: list[Row] = [
    # for now
    (Phase, (421, 450, 451, 452), ("", "4.2.0", "4.2.2", "4.3.1", "4.4.2", "4.7.1"), "", T),
    (Phase, (421, 450, 451), ("4.3.2", "4.4.5", "4.7.28"), "", R),
    (TRANSACTION, (454,), ("", "4.7.0"), "Throttling failure: Maximum sending rate exceeded.", R),
    ((Phase.TLS, Phase.AUTH), (454,), ("", "4.7.0"), "", T),
    ((Phase.AUTH,), (432, 421), ("4.7.12", ""), "", T),
    (TRANSACTION, (250, 199, 354), ("",), "", T),
    # at the door
    (OPENING, (500, 502, 530, 550, 554), ("", "5.7.1", "5.3.2"), "", T),
    (OPENING, (521,), ("", "5.3.2"), "", ACCOUNT),
    # the account
    ((Phase.AUTH,), (500, 501, 504, 530, 534, 535, 538, 550, 554), ("", "5.7.8", "5.5.4"), "", ACCOUNT),
    (TRANSACTION, (530, 534, 535, 538), ("", "5.7.0", "5.7.57"), "Authentication required", ACCOUNT),
    (TRANSACTION, (550, 553, 554), ("5.7.8", "5.7.9", "5.7.11", "5.7.13"), "", ACCOUNT),
    (TRANSACTION, (550, 554), ("5.1.7", "5.1.8"), "", ACCOUNT),
    (TRANSACTION, (550,), ("5.7.20", "5.7.23", "5.7.25", "5.7.26", "5.7.27"), "", ACCOUNT),
    (TRANSACTION, (550, 554), ("5.7.60", "5.7.501", "5.7.708"), "", ACCOUNT),
    ((Phase.MAIL,), (500, 501, 503, 550, 553, 554, 555), ("", "5.7.1", "5.1.0", "5.5.1"), "", ACCOUNT),
    ((Phase.RCPT,), (550, 554), ("", "5.7.1", "5.1.1", "5.7.54"), "Unable to relay", ACCOUNT),
    ((Phase.RCPT,), (550, 551), ("", "5.7.1"), "RELAYING denied", ACCOUNT),
    # the recipient
    ((Phase.RCPT,), (501, 550, 551, 553, 556), ("",), "", ADDRESS),
    ((Phase.RCPT,), (550, 552, 553, 554), ("5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"), "", ADDRESS),
    ((Phase.RCPT,), (550, 554), ("5.2.0", "5.2.1", "5.4.1", "5.4.4", "5.6.7"), "", ADDRESS),
    (TRANSACTION, (550,), ("5.7.17", "5.7.18"), "", ADDRESS),
    ((Phase.DATA, Phase.DOT), (550, 554), ("5.1.1", "5.1.2", "5.2.1"), "", ADDRESS),
    ((Phase.RCPT,), (500, 502, 503, 504, 552, 555), ("",), "", T),
    ((Phase.RCPT,), (550,), ("5.4.6", "5.4.7", "5.4.3"), "", T),
    # full, busy, or over quota, said as if for good
    (TRANSACTION, (550, 552, 554), ("5.2.2", "5.3.1", "5.3.2", "5.3.5"), "", T),
    (TRANSACTION, (550,), ("5.4.5", "5.1.90", "5.7.28"), "Daily sending quota exceeded", R),
    # the message
    (TRANSACTION, (550, 552, 554), ("5.3.4", "5.2.3"), "", CONTENT),
    ((Phase.MAIL,), (552,), ("",), "", CONTENT),
    ((Phase.MAIL, Phase.DATA, Phase.DOT), (550, 554), ("5.6.0", "5.6.1", "5.6.7"), "", CONTENT),
    ((Phase.RCPT,), (554, 521, 510), ("",), "", CONTENT),
    ((Phase.RCPT,), (550, 554), ("5.7.0", "5.7.1", "5.7.2", "5.6.3"), "blocked by policy", CONTENT),
    ((Phase.DATA, Phase.BODY, Phase.DOT), (500, 550, 552, 554), ("", "5.7.0", "5.7.1", "5.5.0"), "", CONTENT),
    ((Phase.DOT,), (550,), ("5.7.1",), "your message mentions a relay race", CONTENT),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=[f"{row[1][0]} {row[4]}" for row in TABLE])
def test_table(row: Row) -> None:
    phases, codes, details, text, fault = row
    asked = list(product(phases, codes, details))
    assert asked
    assert {one: classify(*one, text) for one in asked} == dict.fromkeys(asked, fault)


DETAILS = [f"{subject}.{detail}" for subject in range(8) for detail in (*range(31), 57, 90, 708)]


def test_what_is_for_now_never_ends_a_message() -> None:
    for phase, code, detail in product(Phase, range(400, 500), DETAILS):
        assert classify(phase, code, f"4.{detail}") in (T, R)
        assert classify(phase, code) in (T, R)


def test_no_recipient_is_suppressed_before_it_was_named() -> None:
    """Nothing said before RCPT is about the recipient, but for what names its mailbox."""
    before = [phase for phase in Phase if phase not in TRANSACTION]
    for phase, code, detail in product(before, range(500, 600), DETAILS):
        assert classify(phase, code, f"5.{detail}") is not ADDRESS
    for code, detail in product(range(500, 600), DETAILS):
        if detail not in ("7.17", "7.18"):
            assert classify(Phase.MAIL, code, f"5.{detail}") is not ADDRESS


def test_every_refusal_has_a_fault() -> None:
    for phase, code, detail in product(Phase, range(600), ("", *DETAILS)):
        assert isinstance(classify(phase, code, detail and f"5.{detail}"), Fault)


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "seconds"),
    [
        (451, "4.7.1", "", 300.0),
        (450, "4.7.0", "", 300.0),
        (450, "4.2.0", "Recipient address rejected: Greylisted, see ...", 300.0),
        (451, "", "Graylisted - please try again in 300 seconds", 300.0),
        (450, "4.2.0", "mailbox busy", None),
        (421, "", "", None),
        (550, "5.4.5", "Daily user sending limit exceeded", 3600.0),
        (550, "5.1.90", "", 3600.0),
        (550, "5.7.1", "greylisted", None),
    ],
)
def test_how_long_to_wait(code: int, enhanced: str, text: str, seconds: float | None) -> None:
    assert retry_after(code, enhanced, text) == seconds
