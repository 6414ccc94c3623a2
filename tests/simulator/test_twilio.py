"""Twilio's wire format: messages, lists, errors, magic numbers."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from delivery.simulator.server import Simulator

ACCOUNT = "AC" + "0123456789abcdef" * 2
SERVICE = "MG" + "0123456789abcdef" * 2
SMS = {"To": "+491701234567", "From": "+15005550006", "Body": "Hello"}


def url(sim: Simulator, account: str = ACCOUNT, tail: str = "Messages.json") -> str:
    return f"{sim.http_url}/twilio/2010-04-01/Accounts/{account}/{tail}"


def send(sim: Simulator, form: dict[str, str] = SMS, account: str = ACCOUNT) -> requests.Response:
    return requests.post(url(sim, account), data=form, auth=(account, "token"), timeout=10)


def listed(sim: Simulator, account: str = ACCOUNT, **query: str | int) -> dict[str, Any]:
    response = requests.get(url(sim, account), params=query, auth=(account, "token"), timeout=10)
    assert response.status_code == 200
    page: dict[str, Any] = response.json()
    return page


def refusal(response: requests.Response) -> tuple[int, int]:
    """Status and code, after a look at the form of the whole answer."""
    value = response.json()
    assert sorted(value) == ["code", "message", "more_info", "status"]
    assert value["status"] == response.status_code
    assert value["more_info"] == f"https://www.twilio.com/docs/errors/{value['code']}"
    assert value["message"]
    return response.status_code, value["code"]


def test_a_message_is_taken(sim):
    response = send(sim)
    assert response.status_code == 201
    value = response.json()
    sid = value["sid"]
    assert re.fullmatch(r"SM[0-9a-f]{32}", sid)
    created = parsedate_to_datetime(value["date_created"])
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)
    uri = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}"
    assert value == {
        "account_sid": ACCOUNT,
        "api_version": "2010-04-01",
        "body": "Hello",
        "date_created": value["date_created"],
        "date_sent": None,
        "date_updated": value["date_created"],
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": "+15005550006",
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": "+491701234567",
        "uri": f"{uri}.json",
    }
    (sms,) = sim.messages()
    assert (sms.id, sms.vendor, sms.channel, sms.key) == (sid, "twilio", "sms", "Hello")
    assert (sms.sender, sms.recipients) == ("+15005550006", ("+491701234567",))
    assert (sms.content.text, sms.subject, sms.account) == ("Hello", "", ACCOUNT)


def test_a_messaging_service_stands_for_a_sender(sim):
    form = {"To": SMS["To"], "MessagingServiceSid": SERVICE, "Body": "Hello"}
    value = send(sim, form).json()
    assert (value["status"], value["from"], value["num_segments"]) == ("accepted", None, "0")
    assert value["messaging_service_sid"] == SERVICE


@pytest.mark.parametrize(
    ("body", "segments"),
    [
        ("a" * 160, "1"),
        ("a" * 161, "2"),
        ("a" * 306, "2"),
        ("a" * 307, "3"),
        ("€" * 80, "1"),
        ("€" * 81, "2"),
        ("ж" * 70, "1"),
        ("ж" * 71, "2"),
        ("😀" * 35, "1"),
        ("😀" * 36, "2"),
    ],
)
def test_segments(sim, body, segments):
    assert send(sim, {**SMS, "Body": body}).json()["num_segments"] == segments


def test_a_long_body_is_known_by_its_hash(sim):
    send(sim, {**SMS, "Body": "a" * 65})
    send(sim, {**SMS, "Body": "a" * 64})
    keys = [message.key for message in sim.messages()]
    assert keys == ["a" * 64, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": ""}, 21604),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"To": "0170 1234567"}, 21211),
        ({"To": "+0170123456"}, 21211),
        ({"To": "+49170123456789012"}, 21211),
        ({"From": "no sender at all"}, 21212),
        ({"From": "", "MessagingServiceSid": "MG1"}, 21701),
        ({"To": "+15005550001"}, 21211),
        ({"To": "+15005550002"}, 21612),
        ({"To": "+15005550003"}, 21408),
        ({"To": "+15005550004"}, 21610),
        ({"To": "+15005550009"}, 21614),
        ({"From": "+15005550001"}, 21212),
        ({"From": "+15005550007"}, 21606),
        ({"From": "+15005550008"}, 21611),
    ],
)
def test_errors_and_magic_numbers(sim, change, code):
    assert refusal(send(sim, {**SMS, **change})) == (400, code)
    assert sim.count() == 0


@pytest.mark.parametrize("sender", ["Shop", "12345", "+4917012345", "A B-1"])
def test_senders_of_each_kind(sim, sender):
    assert send(sim, {**SMS, "From": sender}).json()["from"] == sender


@pytest.mark.parametrize(
    "authorization", [None, "Bearer x", "Basic !", "Basic QUM=", "Basic QUM6aW52YWxpZDE="]
)
def test_who_does_not_authenticate_gets_20003(sim, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    response = requests.post(url(sim), data=SMS, headers=headers, timeout=10)
    assert refusal(response) == (401, 20003)


@pytest.mark.parametrize(
    ("account", "tail"),
    [("AC123", "Messages.json"), (ACCOUNT, "Calls.json"), (ACCOUNT, "Messages/SM1.json")],
)
def test_what_is_not_there_is_20404(sim, account, tail):
    response = requests.get(url(sim, account, tail), auth=(account, "token"), timeout=10)
    assert refusal(response) == (404, 20404)


def test_a_sent_message_is_found_by_its_recipient_and_day(sim):
    sid = send(sim).json()["sid"]
    send(sim, {**SMS, "To": "+491701234568"})
    day = datetime.fromtimestamp(sim.messages()[0].received_at, UTC).date()
    before, after = str(day - timedelta(days=1)), str(day + timedelta(days=1))
    found = listed(sim, To=SMS["To"], DateSent=str(day))
    assert [message["sid"] for message in found["messages"]] == [sid]
    assert found["messages"][0]["status"] == "delivered"
    assert found["messages"][0]["date_sent"] is not None
    for query in ({"DateSent>": before}, {"DateSent<": after}, {"From": SMS["From"]}):
        assert len(listed(sim, **query)["messages"]) == 2
    for query in ({"DateSent>": after}, {"DateSent<": before}, {"From": "+1"}, {"To": "+1"}):
        assert listed(sim, **query)["messages"] == []


def test_a_list_is_paged_and_an_accounts_own(sim):
    for number in range(5):
        send(sim, {**SMS, "Body": str(number)})
    other = "AC" + "f" * 32
    send(sim, account=other)
    page = listed(sim, PageSize=2)
    assert [message["body"] for message in page["messages"]] == ["4", "3"]
    assert (page["page"], page["start"], page["end"]) == (0, 0, 1)
    bodies = []
    following = page["next_page_uri"]
    while following:
        page = requests.get(
            f"{sim.http_url}/twilio{following}", auth=(ACCOUNT, "token"), timeout=10
        ).json()
        bodies += [message["body"] for message in page["messages"]]
        following = page["next_page_uri"]
    assert bodies == ["2", "1", "0"]
    assert len(listed(sim, other)["messages"]) == 1


def test_one_message_is_shown_to_its_account_only(sim):
    sid = send(sim).json()["sid"]
    mine = requests.get(url(sim, tail=f"Messages/{sid}.json"), auth=(ACCOUNT, "t"), timeout=10)
    assert (mine.status_code, mine.json()["sid"]) == (200, sid)
    other = "AC" + "f" * 32
    theirs = requests.get(url(sim, other, f"Messages/{sid}.json"), auth=(other, "t"), timeout=10)
    assert refusal(theirs) == (404, 20404)


def test_a_throttle(sim):
    sim.order(target="twilio", kind="throttle", retry_after=3)
    response = send(sim)
    assert refusal(response) == (429, 20429)
    assert response.headers["retry-after"] == "3"


def test_error_answers(sim):
    sim.order(target="twilio", kind="status", code=21610, times=1)
    assert refusal(send(sim)) == (400, 21610)
    sim.order(target="twilio", kind="status", status=503, code=20503, message="soon", times=1)
    assert refusal(send(sim)) == (503, 20503)
    sim.order(target="twilio", kind="status", times=1)
    assert refusal(send(sim)) == (500, 20500)
    assert sim.count() == 0


@pytest.mark.parametrize(("kind", "taken"), [("refuse", 0), ("drop", 0), ("cut_after_accept", 1)])
def test_cuts(sim, kind, taken):
    sim.order(target="twilio", kind=kind, times=1)
    with pytest.raises(requests.ConnectionError):
        send(sim)
    assert sim.count() == taken


def test_a_gateway_and_a_duplicate(sim):
    sim.order(target="twilio", kind="gateway", times=1)
    assert (send(sim).status_code, sim.count()) == (502, 0)
    sim.order(target="twilio", kind="duplicate", times=1)
    assert (send(sim).status_code, sim.count()) == (201, 2)


def test_a_fault_can_be_for_one_number(sim):
    sim.order(target="twilio", kind="throttle", match={"recipient": "+49*"})
    assert send(sim).status_code == 429
    assert send(sim, {**SMS, "To": "+15005550010"}).status_code == 201
