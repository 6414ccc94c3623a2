"""The API's document, and that the API does what it says."""

from __future__ import annotations

import contextlib
import json
from functools import cache
from itertools import islice
from typing import Any

import pytest
import schemathesis
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import one_of

from hiram.lib.problems import EXPLAINED
from hiram.openapi import document
from hiram.wsgi import application
from tests.factories import ProviderFactory, TenantFactory, make_key, post

DOCUMENT: dict[str, Any] = json.loads(document())
SCHEMAS = DOCUMENT["components"]["schemas"]
FOUND = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]
OPERATIONS = [pytest.param(operation, id=operation["operationId"]) for operation in FOUND]


class TestDocument:
    def test_it_is_served_without_a_key(self) -> None:
        said = Client().get("/v1/openapi.json")
        assert (said.status_code, said.headers["Content-Type"]) == (200, "application/json")
        assert said.json() == DOCUMENT
        assert DOCUMENT["openapi"].startswith("3.1.")

    def test_it_is_only_read(self) -> None:
        assert Client().post("/v1/openapi.json").json()["code"] == "method-not-allowed"

    def test_it_is_valid_and_was_made_without_a_doubt(self) -> None:
        validate_schema(DOCUMENT)
        assert not GENERATOR_STATS._warn_cache
        assert not GENERATOR_STATS._error_cache

    def test_every_address_of_the_api_is_in_it(self) -> None:
        assert set(DOCUMENT["paths"]) == {
            "/v1/handshake", "/v1/drivers", "/v1/providers", "/v1/providers/{provider_id}",
            "/v1/providers/{provider_id}/test", "/v1/notifications", "/v1/notifications/batch",
            "/v1/notifications/{notification_id}", "/v1/notifications/{notification_id}/attempts",
            "/v1/notifications/{notification_id}/cancel", "/v1/cancel", "/v1/dead-letters", "/v1/dead-letters/replay", "/v1/dead-letters/replay/{replay_id}",
            "/v1/notifications/{notification_id}/replay", "/v1/notifications/{notification_id}/release",
            "/v1/notifications/{notification_id}/drop", "/v1/held/release", "/v1/held/drop",
            "/v1/sender-configs", "/v1/sender-configs/app", "/v1/sender-configs/{scope}/{scope_id}",
            "/v1/sender-domains", "/v1/sender-domains/{domain}", "/v1/sender-domains/{domain}/verify",
            "/v1/policies", "/v1/policies/{category}", "/v1/suppressions",
            "/v1/suppressions/{suppression_id}", "/v1/events", "/v1/webhooks",
            "/v1/webhooks/{webhook_id}", "/v1/webhooks/{webhook_id}/deliveries",
            "/v1/webhooks/{webhook_id}/recover", "/v1/webhooks/{webhook_id}/rotate-secret",
            "/v1/webhooks/{webhook_id}/test", "/v1/users", "/v1/users/batch", "/v1/users/{user_id}",
            "/v1/users/{user_id}/export", "/v1/erasures/{erasure_id}", "/v1/notify", "/v1/explain",
            "/v1/requests/{request_id}", "/v1/requests/{request_id}/cancel",
            "/v1/users/{user_id}/preferences",
            "/v1/users/{user_id}/consents", "/v1/blocks", "/v1/blocks/{block_id}",
            "/v1/suppressions/export", "/v1/suppressions/import",
            "/v1/brand", "/v1/template-partials",
            "/v1/template-partials/{name}", "/v1/templates", "/v1/templates/reset",
            "/v1/templates/{template_id}", "/v1/templates/{template_id}/diff",
            "/v1/templates/{template_id}/preview", "/v1/templates/{template_id}/publish",
            "/v1/templates/{template_id}/rollback", "/v1/templates/{template_id}/send-test",
            "/v1/templates/{template_id}/versions",
            "/v1/templates/{template_id}/versions/{number}",
        }  # fmt: skip

    @pytest.mark.parametrize("operation", OPERATIONS)
    def test_every_operation_is_explained(self, operation: dict[str, Any]) -> None:
        assert operation["summary"]
        assert len(operation["tags"]) == 1
        assert {"400", "401", "403", "429", "500", "503"} <= set(operation["responses"])
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert response == {"$ref": f"#/components/responses/Problem{status}"}
        if "requestBody" in operation:
            is_file = operation["operationId"] == "importSuppressions"
            kind = "text/csv" if is_file else "application/json"
            assert set(operation["requestBody"]["content"]) == {kind}
            assert {"409", "413", "415", "422"} <= set(operation["responses"])

    def test_a_key_opens_every_operation(self) -> None:
        assert DOCUMENT["security"] == [{"ApiKey": []}, {"Bearer": []}]
        schemes = DOCUMENT["components"]["securitySchemes"]
        assert schemes["ApiKey"]["name"] == "X-Api-Key"
        assert not any("security" in operation for operation in FOUND)

    def test_every_problem_is_in_it(self) -> None:
        shown = {
            code: example["value"]["status"]
            for response in DOCUMENT["components"]["responses"].values()
            for code, example in response["content"]["application/problem+json"][
                "examples"
            ].items()
        }
        assert shown == {code: status for code, (status, _, _) in EXPLAINED.items()}

    def test_limits_are_published(self) -> None:
        email, sms = (SCHEMAS[name]["properties"] for name in ("EmailRequest", "SmsRequest"))
        assert email["recipient"]["maxLength"] == 320
        assert email["subject"]["maxLength"] == 998
        assert email["body"]["anyOf"][0]["maxLength"] == 262_144
        assert email["html"]["anyOf"][0]["maxLength"] == 262_144
        assert email["cc"]["maxItems"] == email["bcc"]["maxItems"] == 50
        assert email["headers"]["maxProperties"] == 50
        assert email["attachments"]["maxItems"] == 20
        assert "10485760" in email["attachments"]["description"]
        assert sms["body"]["maxLength"] == 1_600
        for fields in (email, sms):
            metadata = fields["metadata"]
            assert metadata["maxProperties"] == 50
            assert metadata["propertyNames"]["maxLength"] == 64
            assert metadata["additionalProperties"]["maxLength"] == 512
        assert SCHEMAS["Batch"]["properties"]["notifications"]["maxItems"] == 1_000
        about = DOCUMENT["paths"]["/v1/notifications"]["post"]["description"]
        assert "1 MiB" in about
        assert "16 MiB" in about

    def test_channels_are_told_apart_by_their_name(self) -> None:
        assert SCHEMAS["Send"]["discriminator"]["propertyName"] == "channel"
        assert SCHEMAS["EmailRequest"]["additionalProperties"] is False
        assert SCHEMAS["EmailRequest"]["required"] == ["channel"]
        assert SCHEMAS["EmailRequest"]["allOf"] == [
            {"anyOf": [{"required": ["recipient"]}, {"required": ["user_id"]}]},
            {"anyOf": [{"required": ["subject"]}, {"required": ["template"]}]},
        ]
        assert "from" in SCHEMAS["EmailRequest"]["properties"]

    def test_what_is_written_only_is_never_shown(self) -> None:
        assert "credentials" not in SCHEMAS["ShownProvider"]["properties"]
        assert SCHEMAS["NewProvider"]["properties"]["credentials"]["writeOnly"] is True


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["E-mail", "SMS"])
def test_the_examples_are_accepted(name: str) -> None:
    content = DOCUMENT["paths"]["/v1/notifications"]["post"]["requestBody"]["content"]
    example = content["application/json"]["examples"][name]["value"]
    said = Client().post(
        "/v1/notifications", example, content_type="application/json",
        headers={"X-Api-Key": make_key(TenantFactory.create())},
    )  # fmt: skip
    assert said.status_code == 202


class TestPage:
    def test_it_is_served_from_here_alone(self) -> None:
        page = Client().get("/docs/")
        text = page.content.decode()
        policy = page.headers["Content-Security-Policy"]
        assert page.status_code == 200
        assert "script-src 'self';" in policy
        assert "unsafe-eval" not in policy
        assert "http://" not in text
        assert "https://" not in text
        assert text.count("<script") == text.count("<script src=")

    @pytest.mark.django_db
    def test_its_parts_are_there(self) -> None:
        text = Client().get("/docs/").content.decode()
        parts = [p.split('"')[0] for p in text.split('src="')[1:] + text.split('href="')[1:]]
        assert len(parts) == 5
        for part in parts:
            with contextlib.closing(Client().get(part.replace("&amp;", "&"))) as said:
                assert said.status_code == 200, part

    def test_its_script_reads_the_document(self) -> None:
        script = Client().get("/docs/?script=")
        assert script.headers["Content-Type"].startswith("application/javascript")
        assert b"/v1/openapi.json" in script.content


@pytest.fixture
def key(transactional_db: None) -> str:
    """Of a tenant who has something to look at."""
    tenant = TenantFactory.create()
    post(tenant)
    ProviderFactory.create(tenant=tenant)
    return make_key(tenant)


@cache
def api() -> Any:
    return schemathesis.openapi.from_wsgi("/v1/openapi.json", application)


LABELS = [
    f"{method.upper()} {path}" for path, found in DOCUMENT["paths"].items() for method in found
]
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]


@pytest.mark.parametrize("label", LABELS)
def test_the_api_does_what_its_document_says(label: str, key: str) -> None:
    """Every second of the cases that go through each keyword, and some at random."""
    operation = api().find_operation_by_label(label)
    config = api().config.generation_for(operation=operation)
    found = api().iter_coverage_cases(operation, generation_modes=MODES, generation_config=config)
    for case in islice(found, 0, None, 2):
        check(case, key)
    strategies = [operation.as_strategy(generation_mode=mode) for mode in MODES]

    @given(case=one_of(*strategies))
    @settings(
        max_examples=6,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    def at_random(case: Any) -> None:
        check(case, key)

    at_random()


def check(case: schemathesis.Case[Any], key: str) -> None:
    # A cursor is made by us, and a provider's fields by its driver: what fits may still be refused.
    excluded = [schemathesis.checks.positive_data_acceptance]
    if isinstance(case.body, dict) and case.body.get("mode") == "partial":
        # A partial batch is accepted, and says of each item that does not fit what is wrong.
        excluded.append(schemathesis.checks.negative_data_rejection)
    if case.headers:
        case.headers.pop("Prefer", None)  # nobody delivers here: it would only wait
    case.call_and_validate(headers={"X-Api-Key": key}, excluded_checks=excluded)
