"""Policies in the portal: what holds, what is the tenant's own, and changing it."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.test import Client

from tenants.decisions import PolicyChange, ShownPolicy, decide, decisions
from tenants.models import CategoryPolicy, Member
from tenants.policy import DEFAULTS
from tests.portal.conftest import CANARY, People, World

BUILDERS = ("developer", "admin", "owner", "operator")


def _url(world: World) -> str:
    return f"/portal/tenants/tenant/{world.tenant.pk}/policies/"


def _form(category: str = "marketing", **fields: str) -> dict[str, str]:
    return {"category": category, **{f"{category}-{name}": text for name, text in fields.items()}}


def _decide(world: World, **change: Any) -> None:
    decide(world.tenant.pk, "marketing", PolicyChange.model_validate(change))


def _section(client: Client, world: World, category: str = "marketing") -> str:
    return _part(client.get(_url(world)).content.decode(), category)


def _part(page: str, category: str = "marketing") -> str:
    begun = page.index(f'<section class="hiram-box" id="{category}">')
    return page[begun : page.index("</section>", begun)]


def _holds(section: str) -> dict[str, tuple[str, str]]:
    """What is said of each rule: what holds, and whose it is."""
    rows = re.findall(r"<dt>([^<]*)</dt>\s*<dd>([^<]*?) *<span[^>]*>([^<]*)<", section)
    return {label: (unescape(holds), whose) for label, holds, whose in rows}


def _stored(world: World, category: str = "marketing") -> ShownPolicy:
    return next(rules for rules in decisions(world.tenant.pk) if rules.category == category)


def _errors(page: str) -> list[str]:
    return [unescape(text).strip() for text in re.findall(r"<li>\s*([^<]*?)\s*</li>", _part(page))]


@pytest.mark.parametrize("who", ["viewer", *BUILDERS])
def test_everybody_sees_what_holds_and_whose_it_is(
    who: str, people: People, ours: World, theirs: World
) -> None:
    _decide(ours, on_unknown="retry", retry_steps_seconds=[5, 60])
    _decide(theirs, ttl_seconds=77_777)
    section = _section(people[who], ours)
    assert _holds(section) == {
        "Waits between tries": ("5, 60", "decided"),
        "Time to live": (str(settings.TTL_SECONDS), "default"),
        "After a lost answer": ("retry", "decided"),
        "After a missed time": ("send", "default"),
        "Still sent within": ("—", "default"),
        "Bodies kept": (str(settings.RETAIN_SECONDS), "default"),
        "Required": ("no", "default"),
    }
    assert ("<form" in section) == (who != "viewer")
    assert "77777" not in section
    whole = people[who].get(_url(ours)).content.decode()
    assert [c for c in DEFAULTS if f'id="{c}"' in whole] == list(DEFAULTS)


@pytest.mark.parametrize("who", ["viewer", *BUILDERS])
def test_who_may_decide(who: str, people: People, ours: World) -> None:
    before = _stored(ours)
    answer = people[who].post(
        _url(ours), _form(on_unknown="retry", retry_steps_seconds="4 30,120")
    )
    if who == "viewer":
        assert (answer.status_code, _stored(ours)) == (403, before)
        return
    assert (answer.status_code, answer["Location"]) == (302, _url(ours))
    now = _stored(ours)
    assert (now.on_unknown, now.retry_steps_seconds) == ("retry", [4, 30, 120])
    assert now.decided == ["on_unknown", "retry_steps_seconds"]
    assert _stored(ours, "transactional").decided == []
    [entry] = LogEntry.objects.filter(object_id=str(ours.tenant.pk))
    assert entry.change_message == "Policy for marketing: retry_steps_seconds, on_unknown."
    section = _section(people[who], ours)
    assert 'value="4, 30, 120"' in section
    assert re.search(r'<option value="retry" selected>', section)


def test_what_is_emptied_is_as_by_default(people: People, ours: World) -> None:
    everything = _form(
        retry_steps_seconds="9",
        ttl_seconds="60",
        on_unknown="verify",
        missed_run="send_within_seconds",
        send_within_seconds="5",
        retain_seconds="0",
    )
    people["owner"].post(_url(ours), everything)
    assert len(_stored(ours).decided) == 6
    people["owner"].post(_url(ours), _form())
    assert _stored(ours) == ShownPolicy.of("marketing", {})


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"retry_steps_seconds": "4; 30"}, ["Whole seconds with commas between them, such as 4, 30, 120."]),
        ({"retry_steps_seconds": "4, 1.5"}, ["Whole seconds with commas between them, such as 4, 30, 120."]),
        ({"retry_steps_seconds": "٤"}, ["Whole seconds with commas between them, such as 4, 30, 120."]),
        ({"retry_steps_seconds": "4, 0"}, ["This must be at least 1."]),
        ({"retry_steps_seconds": "999999999"}, ["This must be at most 604800."]),
        ({"retry_steps_seconds": "1," * 30 + "1"}, ["This may have at most 30 entries."]),
        ({"ttl_seconds": "0"}, ["This must be at least 1."]),
        ({"ttl_seconds": "99999999999999999999"}, [f"This must be at most {settings.TTL_SECONDS}."]),
        ({"ttl_seconds": "x"}, ["Enter a whole number."]),
        ({"on_unknown": "pray"}, ["Select a valid choice. pray is not one of the available choices."]),
        ({"retain_seconds": "-1"}, ["This must be at least 0."]),
        ({"retain_seconds": "315360001"}, ["This must be at most 315360000."]),
        ({"required": "yes"}, ["Who does not want marketing gets none: it cannot be required."]),
        ({"required": "no"}, ["Select a valid choice. no is not one of the available choices."]),
        ({"missed_run": "send_within_seconds"}, ["This is needed with missed_run send_within_seconds."]),
        ({"missed_run": "drop", "send_within_seconds": "5"}, ["This is only for missed_run send_within_seconds."]),
        ({"ttl_seconds": "0", "send_within_seconds": "-1"}, ["This must be at least 1."] * 2),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_at_its_field(
    fields: dict[str, str], errors: list[str], people: People, ours: World
) -> None:
    _decide(ours, ttl_seconds=60)
    before = _stored(ours)
    answer = people["developer"].post(_url(ours), _form(**fields))
    page = answer.content.decode()
    assert (answer.status_code, _errors(page)) == (200, errors)
    assert "<details open>" in _part(page)
    assert "<details open>" not in _part(page, "transactional")
    assert _stored(ours) == before
    assert not LogEntry.objects.filter(object_id=str(ours.tenant.pk)).exists()


@pytest.mark.parametrize("category", ["", "nonsense", "marketing2"])
def test_of_an_unknown_category_nothing_is_made(
    category: str, people: People, ours: World
) -> None:
    answer = people["owner"].post(_url(ours), _form(category, ttl_seconds="60"))
    assert answer.status_code == 200
    assert CategoryPolicy.objects.count() == 0


def test_zero_and_yes_are_kept_as_they_are(people: People, ours: World) -> None:
    everything = _form("transactional", retain_seconds="0", required="yes")
    people["owner"].post(_url(ours), everything)
    now = _stored(ours, "transactional")
    assert (now.retain_seconds, now.required) == (0, True)
    section = _section(people["owner"], ours, "transactional")
    assert _holds(section)["Bodies kept"] == ("0", "decided")
    assert _holds(section)["Required"] == ("yes", "decided")
    assert 'value="0"' in section
    assert '<option value="yes" selected>' in section


def test_looking_makes_nothing(people: People, ours: World) -> None:
    people["owner"].get(_url(ours), _form(ttl_seconds="60"))
    assert CategoryPolicy.objects.count() == 0


def test_nobody_elses(people: People, ours: World, theirs: World) -> None:
    Member.objects.create(tenant=theirs.tenant, user=people.users["owner"], role="viewer")
    assert people["owner"].get(_url(theirs)).status_code == 200
    assert "<form" not in _section(people["owner"], theirs)
    for who, status in {"owner": 403, "admin": 404, "viewer": 404, "outsider": 302}.items():
        answer = people[who].post(_url(theirs), _form(ttl_seconds="60"))
        assert answer.status_code == status, who
    assert CategoryPolicy.objects.count() == 0


def test_the_menu_leads_to_ones_own(people: People, ours: World, theirs: World) -> None:
    choose = "/portal/tenants/tenant/policies/"

    def offered(who: str, url: str) -> set[str]:
        page: Any = people[who].get(url).content.decode()
        return set(re.findall(r'href="(/portal/tenants/tenant/[^"]*policies/)"', page))

    assert offered("viewer", "/portal/") == {_url(ours)}
    assert offered("operator", "/portal/") == {choose}
    assert offered("operator", choose) == {choose, _url(ours), _url(theirs)}
    assert offered("viewer", choose) == {_url(ours)}
    assert CANARY not in people["viewer"].get(choose).content.decode()
    tenant = f"/portal/tenants/tenant/{ours.tenant.pk}/change/"
    assert _url(ours) in offered("operator", tenant)


def test_odd_texts_are_texts(people: People, ours: World) -> None:
    odd = '"><script>alert(1)</script>{{ 719*727 }}'
    type(ours.tenant).objects.filter(pk=ours.tenant.pk).update(name=odd)
    fields = dict.fromkeys(["retry_steps_seconds", "ttl_seconds", "on_unknown"], odd)
    pages = [
        people["operator"].post(_url(ours), _form(**fields)).content.decode(),
        people["operator"].get(_url(ours)).content.decode(),
        people["operator"].get("/portal/tenants/tenant/policies/").content.decode(),
    ]
    for page in pages:
        assert "<script>alert" not in page
        assert "522713" not in page
