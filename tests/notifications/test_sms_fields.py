"""What a text message may have."""

from __future__ import annotations

from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hiram.lib.findings import field_errors
from notifications.channels.sms import SmsRequest, number

SMS = {"channel": "sms", "recipient": "+14155550100", "body": "482913"}


def findings(**fields: Any) -> list[tuple[str, str]]:
    try:
        SmsRequest.model_validate(SMS | fields)
    except ValidationError as error:
        return [(found.pointer, found.code) for found in field_errors(error)]
    return []


@pytest.mark.parametrize(("given", "kept"), [
    ("+14155550100", "+14155550100"), ("+1 (415) 555-0100", "+14155550100"),
    ("+49 30 901820", "+4930901820"), ("+44.20.7946.0958", "+442079460958"),
    ("+41 79 123 45 67", "+41791234567"), ("+39 06 698 1", "+39066981"),
])  # fmt: skip
def test_numbers_are_kept_in_e164(given: str, kept: str) -> None:
    assert SmsRequest.model_validate(SMS | {"recipient": given}).address == kept


@pytest.mark.parametrize("given", [
    "+1", "+", "4155550100", "0014155550100", "+0014155550100", "+999123456789", "+1415555010012345",
    "+14155550100;ext=5", "+14155550100 x5", "+1-800-FLOWERS", "tel:+14155550100", "++14155550100",
    "+\uff11\uff14\uff11\uff15\uff15\uff15\uff15\uff10\uff11\uff10\uff10", "\uff0b14155550100", "+14155550100\n", "+14155550100\x00", "+1415555\u200b0100",
    "+14155550100,+14155550101", "ada@x.org", "+()", "-14155550100", "+1415555010e1",
])  # fmt: skip
def test_other_spellings_are_refused(given: str) -> None:
    assert findings(recipient=given) == [("/recipient", "invalid")]


@pytest.mark.parametrize("sender", ["+14155550100", "Acme", "Acme 24 h", "A", "12345678901A"[1:]])
def test_senders_are_numbers_or_short_names(sender: str) -> None:
    request = SmsRequest.model_validate(SMS | {"from": sender})
    assert request.sender == sender
    assert request.content() == {"text": "482913", "sender": sender}


@pytest.mark.parametrize(
    "sender",
    [
        "123456",
        " Acme",
        "Acme ",
        " ",
        "Acme!",
        "Äcme",
        "Acme\n",
        "TwelveLetter",
        "+123",
        "14155550100",
    ],
)
def test_other_senders_are_refused(sender: str) -> None:
    assert findings(**{"from": sender}) == [("/from", "invalid")]


@given(text=st.text(st.sampled_from("+0123456789 ().-x\n"), max_size=20))
def test_whatever_is_taken_is_e164_and_stays_so(text: str) -> None:
    try:
        found = number(text)
    except ValueError:
        return
    assert found[0] == "+"
    assert found[1:].isascii()
    assert found[1:].isdecimal()
    assert len(found) <= 16
    assert number(found) == found
    assert phonenumbers.is_possible_number(phonenumbers.parse(found))
