"""Templates as files, and the commands for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from notifications.models import Template
from tenants.models import Tenant
from tests.commands.running import done, refused
from tests.notifications.catalog.texts import DE, EN, body, made, sms
from tests.tenancy import Caller, caller, make_tenant

pytestmark = pytest.mark.django_db


def files(root: Path) -> dict[str, bytes]:
    return {str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*") if f.is_file()}


@pytest.fixture
def pulled(api: Caller, tenant: Tenant, tmp_path: Path) -> Path:
    odd = {
        "subject": "Ünïcode {{ user_name }}\r\n",
        "text": "\n\nno end ",
        "html": "<p>\t</p>\n\n",
    }
    made(api, body(locales={"en": odd, "zh-Hant-TW": EN}))
    made(api, sms(), publish=False)
    done("templates", "pull", str(tmp_path / "texts"), "--tenant", tenant.name)
    return tmp_path / "texts"


def test_files_hold_what_is_published(pulled: Path) -> None:
    assert sorted(files(pulled)) == [
        "auth.reset.email/en/html.liquid", "auth.reset.email/en/subject.liquid",
        "auth.reset.email/en/text.liquid", "auth.reset.email/template.json",
        "auth.reset.email/zh-Hant-TW/html.liquid", "auth.reset.email/zh-Hant-TW/subject.liquid",
        "auth.reset.email/zh-Hant-TW/text.liquid", "auth.reset.sms/en/text.liquid",
        "auth.reset.sms/template.json",
    ]  # fmt: skip
    about = json.loads((pulled / "auth.reset.email" / "template.json").read_text())
    assert (about["slug"], about["channel"], about["default_locale"]) == (
        "auth.reset",
        "email",
        "en",
    )


def test_they_go_round_to_the_letter(pulled: Path, tenant: Tenant, tmp_path: Path) -> None:
    told = done("templates", "push", str(pulled), "--tenant", tenant.name)
    assert told["pushed"] == {"auth.reset.email": "unchanged", "auth.reset.sms": "unchanged"}
    other = make_tenant()
    told = done("templates", "push", str(pulled), "--tenant", other.name, "--publish")
    assert set(told["pushed"].values()) == {"published 1"}
    done("templates", "pull", str(tmp_path / "again"), "--tenant", other.name)
    assert files(tmp_path / "again") == files(pulled)
    before = files(pulled)
    done("templates", "pull", str(pulled), "--tenant", other.name)
    assert files(pulled) == before


def test_a_change_becomes_a_draft_and_is_published_when_asked(
    pulled: Path, api: Caller, tenant: Tenant
) -> None:
    where = pulled / "auth.reset.email"
    (where / "en" / "subject.liquid").write_text("Other")
    (where / "de").mkdir()
    for part, text in DE.items():
        (where / "de" / f"{part}.liquid").write_text(text)
    told = done("templates", "push", str(pulled), "--tenant", tenant.name)["pushed"]
    assert told["auth.reset.email"] == "drafted"
    row = Template.objects.get(tenant=tenant, channel="email")
    states = dict(row.versions.values_list("number", "state"))
    assert states == {1: "published", 2: "draft"}
    told = done("templates", "push", str(pulled), "--tenant", tenant.name, "--publish")["pushed"]
    assert told == {"auth.reset.email": "published 2", "auth.reset.sms": "published 1"}
    assert row.versions.get(number=2).locales["de"] == DE
    told = done("templates", "push", str(pulled), "--tenant", tenant.name, "--publish")["pushed"]
    assert set(told.values()) == {"unchanged"}


def test_a_locale_that_is_gone_goes_from_the_files(
    pulled: Path, api: Caller, tenant: Tenant
) -> None:
    row = Template.objects.get(tenant=tenant, channel="email")
    shown = api.get("/v1/templates?channel=email").body["data"][0]["id"]
    api.post(f"/v1/templates/{shown}/versions", {"locales": {"en": EN}})
    done("templates", "pull", str(pulled), "--tenant", tenant.name)
    assert (pulled / "auth.reset.email" / "zh-Hant-TW").exists()
    done("templates", "pull", str(pulled), "--tenant", tenant.name, "--drafts")
    assert not (pulled / "auth.reset.email" / "zh-Hant-TW").exists()
    assert row.versions.count() == 2


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("auth.reset.email/en/notes.txt", "x", "a part is one of"),
        ("auth.reset.email/en/pdf.liquid", "x", "a part is one of"),
        ("auth.reset.email/notes.txt", "x", "a locale is a folder"),
        ("notes.txt", "x", "a template is a folder"),
        ("auth.reset.email/template.json", "{", "template.json: "),
        ("auth.reset.email/template.json", "[]", "must hold an object"),
        ("auth.reset.email/template.json", '{"color": 1}', "no field color"),
        ("auth.reset.email/template.json", "{}", "auth.reset.email/slug"),
        ("auth.reset.email/french/text.liquid", "x", "auth.reset.email/locales"),
        ("auth.reset.email/fr/text.liquid", "x", "/locales/fr/subject"),
        ("auth.reset.email/en/text.liquid", "{% if %}", "/locales/en/text"),
        ("copy/en/text.liquid", "x", "copy/template.json"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(
    pulled: Path, tenant: Tenant, path: str, content: str, said: str
) -> None:
    (pulled / path).parent.mkdir(parents=True, exist_ok=True)
    (pulled / path).write_text(content)
    (pulled / "auth.reset.sms" / "en" / "text.liquid").write_text("another")
    told = refused("templates", "push", str(pulled), "--tenant", tenant.name)
    assert said in told
    assert str(pulled) in told
    assert not Template.objects.filter(versions__number=2).exists()


def test_octets_that_are_no_text_are_refused(pulled: Path, tenant: Tenant) -> None:
    (pulled / "auth.reset.sms" / "en" / "text.liquid").write_bytes(b"\xff")
    told = refused("templates", "push", str(pulled), "--tenant", tenant.name)
    assert "not UTF-8" in told


@pytest.mark.parametrize(
    "words",
    [
        ("push",), ("pull", "x"), ("push", "--tenant", "T"), ("seed", "x"), ("seed", "--publish"),
        ("pull", "x", "--tenant", "T", "--publish"), ("push", "x", "--tenant", "T", "--drafts"),
        ("push", "x", "--tenant", "nobody"), ("sing",),
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_arguments_are_refused(words: tuple[str, ...]) -> None:
    make_tenant("T")
    assert refused("templates", *words)


def test_a_folder_that_is_not_there(tenant: Tenant, tmp_path: Path) -> None:
    told = refused("templates", "push", str(tmp_path / "none"), "--tenant", tenant.name)
    assert "there is no such folder" in told


def test_another_tenants_templates_are_not_written(pulled: Path, tmp_path: Path) -> None:
    other = make_tenant()
    told = done("templates", "pull", str(tmp_path / "theirs"), "--tenant", other.name)
    assert told == {"pulled": []}
    assert caller(other).get("/v1/templates").body["data"] == []
