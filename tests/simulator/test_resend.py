"""Resend's wire format: what its documentation says of requests, answers and errors."""

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
import requests

from delivery.simulator import idempotency
from delivery.simulator.server import Simulator

EMAIL = {
    "from": "Shop <a@shop.test>",
    "to": ["b@shop.test"],
    "subject": "Hello",
    "text": "Hello there",
}


def send(
    sim: Simulator, email: object = EMAIL, key: str | None = None, path: str = "/emails"
) -> requests.Response:
    headers = {"Authorization": "Bearer re_123"}
    if key is not None:
        headers["Idempotency-Key"] = key
    return requests.post(f"{sim.http_url}/resend{path}", json=email, headers=headers, timeout=10)


def refusal(response: requests.Response) -> tuple[int, str]:
    """Status and name, after a look at the form of the whole answer."""
    value = response.json()
    assert sorted(value) == ["message", "name", "statusCode"]
    assert value["statusCode"] == response.status_code
    assert value["message"]
    return response.status_code, value["name"]


def test_an_email_is_taken_and_kept_as_it_was_posted(sim):
    email = {
        **EMAIL,
        "cc": "C <c@shop.test>",
        "bcc": ["d@shop.test"],
        "reply_to": "r@shop.test",
        "html": "<p>Hello</p>",
        "headers": {"X-Order": "7"},
        "attachments": [
            {
                "filename": "a.txt",
                "content": b64encode(b"hi").decode(),
                "content_type": "text/a; b=c",
            }
        ],
        "tags": [{"name": "kind", "value": "test"}],
    }
    response = send(sim, email, "key-1")
    assert response.status_code == 200
    assert list(response.json()) == ["id"]
    assert str(UUID(response.json()["id"])) == response.json()["id"]
    (mail,) = sim.messages()
    assert (mail.id, mail.vendor, mail.key) == (response.json()["id"], "resend", "key-1")
    assert (mail.sender, mail.subject) == ("a@shop.test", "Hello")
    assert mail.recipients == ("b@shop.test", "c@shop.test", "d@shop.test")
    content = mail.content
    assert (content.text, content.html) == ("Hello there", "<p>Hello</p>")
    assert content.headers == (
        ("From", "Shop <a@shop.test>"),
        ("To", "b@shop.test"),
        ("Cc", "C <c@shop.test>"),
        ("Bcc", "d@shop.test"),
        ("Reply-To", "r@shop.test"),
        ("X-Order", "7"),
    )
    (attachment,) = content.attachments
    assert (attachment.filename, attachment.content_type) == ("a.txt", "text/a")
    assert attachment.content == b"hi"


def test_without_an_idempotency_key_the_message_id_tells(sim):
    send(sim, {**EMAIL, "headers": {"Message-ID": "<k9@shop.test>"}})
    assert sim.messages()[0].key == "k9"


@pytest.mark.parametrize(
    ("authorization", "refused"),
    [
        (None, (401, "missing_api_key")),
        ("Basic cmVfMTIz", (401, "missing_api_key")),
        ("Bearer ", (401, "missing_api_key")),
        ("Bearer sk_123", (403, "invalid_api_key")),
        ("Bearer re_invalid_1", (403, "invalid_api_key")),
    ],
)
def test_the_api_key(sim, authorization, refused):
    headers = {} if authorization is None else {"Authorization": authorization}
    url = f"{sim.http_url}/resend/emails"
    assert refusal(requests.post(url, json=EMAIL, headers=headers, timeout=10)) == refused
    assert sim.count() == 0


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"from": None}, (422, "missing_required_field")),
        ({"to": []}, (422, "missing_required_field")),
        ({"subject": ""}, (422, "missing_required_field")),
        ({"text": None}, (422, "missing_required_field")),
        ({"from": "nobody"}, (422, "validation_error")),
        ({"from": ["a@shop.test", "b@shop.test"]}, (422, "invalid_from_address")),
        ({"to": "b@"}, (422, "validation_error")),
        ({"to": ["b@shop.test", "no address"]}, (422, "validation_error")),
        ({"to": [7]}, (422, "validation_error")),
        ({"to": [f"b{n}@shop.test" for n in range(51)]}, (422, "validation_error")),
        ({"cc": "b@shop"}, (422, "validation_error")),
        ({"subject": 7}, (422, "validation_error")),
        ({"html": {}, "text": ["x"]}, (422, "validation_error")),
        ({"headers": {"X-Order": 7}}, (422, "validation_error")),
        ({"headers": ["X-Order"]}, (422, "validation_error")),
        ({"attachments": [{"filename": "a.txt"}]}, (422, "invalid_attachment")),
        ({"attachments": "a.txt"}, (422, "invalid_attachment")),
    ],
)
def test_an_email_is_checked(sim, change, refused):
    assert refusal(send(sim, {**EMAIL, **change}, "key-1")) == refused
    assert sim.count() == 0
    assert send(sim, EMAIL, "key-1").status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_a_400(sim, body):
    headers = {"Authorization": "Bearer re_123"}
    url = f"{sim.http_url}/resend/emails"
    response = requests.post(url, data=body, headers=headers, timeout=10)
    assert refusal(response) == (400, "validation_error")


def test_other_paths_and_methods(sim):
    headers = {"Authorization": "Bearer re_123"}
    url = f"{sim.http_url}/resend"
    assert refusal(requests.get(f"{url}/emails", headers=headers, timeout=10)) == (
        405,
        "method_not_allowed",
    )
    assert refusal(requests.post(f"{url}/domains", headers=headers, timeout=10)) == (
        404,
        "not_found",
    )


def test_a_batch_is_taken_whole_or_not_at_all(sim):
    response = send(sim, [EMAIL, {**EMAIL, "to": "c@shop.test"}], "batch-1", "/emails/batch")
    assert response.status_code == 200
    ids = [item["id"] for item in response.json()["data"]]
    assert [mail.id for mail in sim.messages()] == ids[::-1]
    assert [mail.key for mail in sim.messages()] == ["batch-1", "batch-1"]
    refused = send(sim, [EMAIL, {**EMAIL, "to": "c"}], None, "/emails/batch")
    assert refusal(refused) == (422, "validation_error")
    assert refusal(send(sim, [EMAIL] * 101, None, "/emails/batch")) == (422, "validation_error")
    assert refusal(send(sim, EMAIL, None, "/emails/batch")) == (422, "validation_error")
    assert sim.count() == 2


def test_the_same_key_and_body_is_the_same_email(sim):
    first, second = send(sim, EMAIL, "key-1"), send(sim, dict(reversed(EMAIL.items())), "key-1")
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert sim.count() == 1


def test_the_same_key_with_another_body_is_refused(sim):
    send(sim, EMAIL, "key-1")
    other = send(sim, {**EMAIL, "text": "other"}, "key-1")
    assert refusal(other) == (409, "invalid_idempotent_request")
    assert sim.count() == 1


def test_keys_are_an_accounts_own_and_last_24_hours(sim, monkeypatch):
    send(sim, EMAIL, "key-1")
    headers = {"Authorization": "Bearer re_other", "Idempotency-Key": "key-1"}
    requests.post(f"{sim.http_url}/resend/emails", json=EMAIL, headers=headers, timeout=10)
    assert sim.count() == 2
    monkeypatch.setattr(idempotency, "KEPT_SECONDS", 0)
    send(sim, EMAIL, "key-1")
    assert sim.count() == 3


@pytest.mark.parametrize(("length", "status"), [(0, 400), (1, 200), (256, 200), (257, 400)])
def test_a_key_has_1_to_256_characters(sim, length, status):
    response = send(sim, EMAIL, "k" * length)
    assert response.status_code == status
    if status == 400:
        assert refusal(response) == (400, "invalid_idempotency_key")


def test_while_a_request_is_in_progress_its_key_is_a_conflict(sim):
    sim.order(target="resend", kind="slow", seconds=0.5, times=1)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(send, sim, EMAIL, "key-1")
        sim.wait_for(1)
        assert refusal(send(sim, EMAIL, "key-1")) == (409, "concurrent_idempotent_requests")
        first = slow.result()
    assert first.status_code == 200
    assert send(sim, EMAIL, "key-1").json() == first.json()
    assert sim.count() == 1


def test_fifty_at_once_with_one_key_are_one_email(sim):
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: send(sim, EMAIL, "key-1"), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sim.count() == 1
