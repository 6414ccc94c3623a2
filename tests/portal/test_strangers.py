"""The stranger: every address of the portal, asked by everybody, for one's own and for another's.

The addresses come from the URL resolver and the admin's registry, so that a new one is asked too,
or fails the test until somebody has said here what it should answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from portal.admin.site import site
from portal.models import Entry
from tests.portal.conftest import CANARY, People, World

ROLES = ("viewer", "developer", "admin", "owner")
EVERYBODY = {*ROLES, "operator"}
BUILDERS = EVERYBODY - {"viewer"}
MANAGERS = BUILDERS - {"developer"}
OWNERS = MANAGERS - {"admin"}
OPERATORS = {"operator"}
NOBODY: set[str] = set()

ALLOWED: dict[str, dict[str, set[str]]] = {
    "tenants_tenant": {"view": EVERYBODY, "add": OPERATORS, "change": OWNERS},
    "tenants_apikey": {"view": EVERYBODY, "add": BUILDERS, "revoke": BUILDERS},
    "tenants_provider": {
        "view": EVERYBODY, "add": BUILDERS, "change": BUILDERS, "delete": BUILDERS,
        "test": BUILDERS,
    },
    "notifications_notification": {
        "view": EVERYBODY, "replay": BUILDERS, "release": BUILDERS, "drop": BUILDERS,
        "cancel": BUILDERS,
    },
    "notifications_deadletter": {"view": EVERYBODY, "replay": BUILDERS},
    "notifications_webhookendpoint": {
        "view": EVERYBODY, "add": BUILDERS, "change": BUILDERS, "delete": BUILDERS,
        "act": BUILDERS,
    },
    "notifications_suppression": {"view": EVERYBODY, "add": BUILDERS, "allow": BUILDERS},
    "notifications_block": {"view": EVERYBODY, "add": BUILDERS, "lift": BUILDERS},
    "notifications_subscriber": {"view": EVERYBODY, "change_wishes": BUILDERS, "erase": MANAGERS},
    "notifications_template": {
        "view": EVERYBODY, "add": BUILDERS, "edit": BUILDERS, "decide": MANAGERS,
    },
    "notifications_templatepartial": {
        "view": EVERYBODY, "add": BUILDERS, "edit": BUILDERS, "delete": BUILDERS,
    },
    "tenants_member": {"view": EVERYBODY, "change": OWNERS, "delete": OWNERS},  # the row's an owner
    "tenants_invite": {"view": MANAGERS, "add": MANAGERS, "delete": MANAGERS},
    "tenants_user": {"view": OPERATORS, "change": OPERATORS},
    "portal_entry": {
        "view": OPERATORS, "add": OPERATORS, "change": OPERATORS, "delete": OPERATORS,
    },
}  # fmt: skip
"""Who may do what with a row of his own tenant."""

MODEL_PAGES = {"changelist", "add", "history", "delete", "change"}
OWN_PAGES = {
    "tenants_apikey_revoke": "revoke", "tenants_provider_test": "test",
    "tenants_tenant_policies": "view", "tenants_tenant_brand": "view",
    "notifications_webhookendpoint_deliveries": "view",
    "notifications_suppression_allow": "allow",
    "notifications_block_lift": "lift",
    "notifications_subscriber_erase": "erase",
    **{f"notifications_subscriber_{v}": "change_wishes" for v in ("preferences", "consent")},
    "notifications_templatepartial_edit": "edit",
    **{
        f"notifications_webhookendpoint_{v}": "act"
        for v in ("test", "recover", "enable", "disable", "rotate")
    },
    **{f"notifications_template_{v}": "view" for v in ("preview", "diff")},
    **{f"notifications_template_{v}": "edit" for v in ("edit", "live")},
    **{
        f"notifications_template_{v}": "decide"
        for v in ("publish", "rollback", "disable", "enable")
    },
    **{f"notifications_notification_{v}": v for v in ("replay", "release", "drop", "cancel")},
}  # fmt: skip
MANY_PAGES = {
    "notifications_notification_release_many": "release",
    "notifications_notification_drop_many": "drop",
    "notifications_deadletter_replay_many": "replay",
}
"""What is done with all of a list that may be."""
POSTED = {"notifications_template_live"}
"""What is never only looked at."""
SITE_PAGES = {
    "index", "login", "logout", "password_change", "password_change_done", "autocomplete",
    "jsi18n", "app_list", "mailbox", "mailbox_clear", "mailbox_message", "mailbox_raw",
    "mailbox_attachment", "tenants_tenant_choose", "tenants_tenant_choose_brand", "explain",
}  # fmt: skip
PUBLIC_PAGES = {
    "admin_password_reset", "password_reset_done", "password_reset_complete",
    "password_reset_confirm", "portal_invite", "trestleboard", "trestleboard_feed",
}  # fmt: skip


def patterns(found: Any, namespace: str = "") -> Iterator[tuple[str, str]]:
    for item in found:
        if isinstance(item, URLResolver):
            yield from patterns(item.url_patterns, item.namespace or namespace)
        elif isinstance(item, URLPattern):
            yield namespace, item.name or ""


def portal_names() -> set[tuple[str, str]]:
    return {
        found
        for found in patterns(get_resolver().url_patterns)
        if found[0] == "admin" or found[1] in PUBLIC_PAGES
    }


def test_every_address_of_the_portal_is_placed_here() -> None:
    model_pages = {f"{model}_{page}" for model in ALLOWED for page in MODEL_PAGES}
    known = {("admin", name) for name in {*model_pages, *OWN_PAGES, *MANY_PAGES, *SITE_PAGES, ""}}
    known |= {("", name) for name in PUBLIC_PAGES}
    assert portal_names() == known


def test_every_registered_model_is_placed_here() -> None:
    names = {f"{m._meta.app_label}_{m._meta.model_name}" for m in site._registry}
    assert names == set(ALLOWED)


def test_no_model_can_be_changed_in_bulk(people: People) -> None:
    request = people["operator"].get("/portal/").wsgi_request
    assert all(admin.get_actions(request) == {} for admin in site._registry.values())


def plain(content: bytes, *ids: object) -> str:
    """A page without what differs from request to request."""
    text = content.decode()
    for value in ids:
        text = text.replace(str(value), "ID")
    return re.sub(r'(csrfmiddlewaretoken" value=")[^"]*', r"\1", text)


@pytest.mark.parametrize("model", sorted(ALLOWED))
def test_lists_and_forms_open_for_who_may(
    model: str, people: People, ours: World, theirs: World
) -> None:
    answers = {}
    for who in people.clients:
        for page in ("changelist", "add"):
            response = people[who].get(reverse(f"admin:{model}_{page}"))
            answers[who, page] = response.status_code
            assert who == "operator" or CANARY not in response.content.decode()
    expected = {
        (who, page): _status(who, ALLOWED[model].get(verb, NOBODY))
        for who in people.clients
        for page, verb in (("changelist", "view"), ("add", "add"))
    }
    assert answers == expected


@pytest.mark.parametrize("page", sorted(MANY_PAGES))
def test_what_is_done_with_many_opens_for_who_may(
    page: str, people: People, ours: World, theirs: World
) -> None:
    before = _stored(theirs)
    model = next(model for model in ALLOWED if page.startswith(f"{model}_"))
    allowed = ALLOWED[model][MANY_PAGES[page]]
    foreign = {"id": [str(theirs.notification.pk), str(theirs.letter.notification_id)]}
    for who in set(people.clients) - {"operator"}:
        url = reverse(f"admin:{page}")
        shown = people[who].get(url, foreign)
        posted = people[who].post(url, {"count": "9", "begun": "0"}, query_params=foreign)
        assert shown.status_code == _status(who, allowed), who
        assert posted.status_code == (302 if shown.status_code == 200 else shown.status_code)
        assert CANARY not in shown.content.decode()
    assert _stored(theirs) == before


def _status(who: str, allowed: set[str], *, found: int = 200) -> int:
    if who in ("anonymous", "outsider"):
        return 302
    return found if who in allowed else 403


def _object_pages(model: str) -> list[tuple[str, str]]:
    """Names of addresses of one row, with the verb that each needs."""
    own = [
        (n.removeprefix(f"{model}_"), v) for n, v in OWN_PAGES.items() if n.startswith(f"{model}_")
    ]
    return [("change", "view"), ("history", "view"), ("delete", "delete"), *own]


@pytest.mark.parametrize("model", sorted(set(ALLOWED) - {"portal_entry"}))
def test_ones_own_rows_open_for_who_may(
    model: str, people: People, ours: World, theirs: World
) -> None:
    row, answers, expected = ours.rows[model], {}, {}
    for who in people.clients:
        for page, verb in _object_pages(model):
            response = people[who].get(reverse(f"admin:{model}_{page}", args=[row.pk]))
            answers[who, page] = response.status_code
            expected[who, page] = _own(who, model, page, verb)
            assert who == "operator" or CANARY not in response.content.decode()
    assert answers == expected


def _own(who: str, model: str, page: str, verb: str) -> int:
    allowed = ALLOWED[model]
    sees = who in allowed["view"]
    if who in ("anonymous", "outsider"):
        return 302
    if sees and who in allowed.get(verb, NOBODY):
        return 405 if f"{model}_{page}" in POSTED else 200
    if sees:
        return 403
    # Who does not see the row does not learn that it is there: see the next test.
    return 403 if page in ("change", "delete") else 404


@pytest.mark.parametrize("model", sorted(set(ALLOWED) - {"portal_entry"}))
@pytest.mark.parametrize("method", ["get", "post"])
def test_anothers_row_answers_as_one_that_never_was(
    model: str, method: str, people: People, ours: World, theirs: World
) -> None:
    foreign, unknown = theirs.rows[model].pk, uuid4()
    before = _stored(theirs)
    for who in set(people.clients) - {"operator"}:
        for page, _ in _object_pages(model):
            asked = {}
            for pk in (foreign, unknown):
                response = getattr(people[who], method)(
                    reverse(f"admin:{model}_{page}", args=[pk]),
                    {"post": "yes", "recipient": "a@b.example", "role": "owner", "name": "x"}
                    | {"since": "2026-01-01 00:00", "at": "x", "url": "https://a.example"}
                    | {"seen": "", "body": "x", "variables": "{}", "granted": "no"}
                    | {"category": "marketing", "channel": "email", "start": "22:00"},
                )
                asked[pk] = (response.status_code, plain(response.content, pk))
                assert response.status_code in _refusals(who)
                assert CANARY not in response.content.decode()
            assert asked[foreign] == asked[unknown], (who, page)
    assert _stored(theirs) == before


def _refusals(who: str) -> set[int]:
    return {302} if who in ("anonymous", "outsider") else {403, 404}


def _stored(world: World) -> list[dict[str, Any]]:
    rows: list[Any] = [
        world.tenant,
        world.key,
        world.provider,
        world.notification,
        world.letter,
        world.member,
        world.invite,
        world.webhook,
        world.suppression,
        world.template,
        world.partial,
        world.block,
        world.user,
    ]
    return [type(row).objects.filter(pk=row.pk).values().get() for row in rows]


@pytest.mark.parametrize("who", ROLES)
def test_who_may_act_gets_404_for_anothers_row(who: str, people: People, theirs: World) -> None:
    for model, allowed in ALLOWED.items():
        if model in ("portal_entry", "tenants_user"):
            continue
        for page, verb in _object_pages(model):
            if who in allowed.get(verb, NOBODY) and who in allowed["view"]:
                url = reverse(f"admin:{model}_{page}", args=[theirs.rows[model].pk])
                assert people[who].get(url).status_code == 404, url


@pytest.mark.parametrize("who", ROLES)
@pytest.mark.parametrize("odd", ["1", "%00", "x/y", "..", "%27", "ntf_", "0" * 400])
def test_odd_ids_are_unknown_ids(who: str, odd: str, people: People) -> None:
    for model, allowed in ALLOWED.items():
        response = people[who].get(f"/portal/{model.replace('_', '/')}/{odd}/change/")
        assert response.status_code == (404 if who in allowed["view"] else 403), model


PROBES = (
    "tenant__name__startswith=F",
    "tenant__id__exact=1",
    "user__password__startswith=a",
    "digest__exact=1",
    "address__exact=1",
    "sealed__startswith=1",
    "content_id=1",
    "invited_by__email=x",
    "_to_field=tenant",
    "_popup=1&_to_field=digest",
)


@pytest.mark.parametrize("probe", PROBES)
def test_lists_cannot_be_probed_by_hidden_columns(probe: str, people: People) -> None:
    for model in (
        "tenants_apikey", "tenants_provider", "tenants_member", "tenants_invite",
        "notifications_webhookendpoint", "notifications_suppression", "notifications_template",
        "notifications_block", "notifications_subscriber", "notifications_templatepartial",
    ):  # fmt: skip
        response = people["owner"].get(f"{reverse(f'admin:{model}_changelist')}?{probe}")
        assert response.status_code == 400, (model, probe)


@pytest.mark.parametrize("who", ROLES)
def test_a_filter_by_anothers_tenant_finds_nothing(
    who: str, people: People, ours: World, theirs: World
) -> None:
    for model, row in ours.rows.items():
        if model in ("tenants_tenant", "tenants_user") or who not in ALLOWED[model]["view"]:
            continue
        url = reverse(f"admin:{model}_changelist")
        for asked in (theirs.tenant.pk, "nonsense"):
            response = people[who].get(url, {"tenant": str(asked)})
            # With one tenant there is no such filter, and what is no filter is refused.
            assert response.status_code == 400, model
            assert CANARY not in response.content.decode()
        seen = people["operator"].get(url, {"tenant": str(theirs.tenant.pk)}).content.decode()
        # What every page says first is not the list.
        seen = seen[seen.index('id="changelist"') :]
        assert CANARY in seen
        assert str(row.pk) not in seen


@pytest.mark.parametrize(
    "term", [CANARY, f"{CANARY}@recipient.example", f"{CANARY}@gone.example", "subject"]
)
def test_a_search_finds_nothing_of_anothers(term: str, people: People, theirs: World) -> None:
    there = theirs.rows
    for model in ALLOWED:
        response = people["owner"].get(reverse(f"admin:{model}_changelist"), {"q": term})
        body = response.content.decode()
        # The page repeats the term; every text of theirs has more than that.
        assert f"{CANARY} " not in body
        for row in there.values():
            assert str(row.pk) not in body


def test_news_are_the_operators_to_write(people: People, entry: Entry) -> None:
    answers = {
        (who, page): people[who]
        .get(reverse(f"admin:portal_entry_{page}", args=[entry.pk]))
        .status_code
        for who in people.clients
        for page in ("change", "delete", "history")
    }
    assert answers == {
        (who, page): _own(who, "portal_entry", page, "delete" if page == "delete" else "view")
        for who in people.clients
        for page in ("change", "delete", "history")
    }


def test_every_post_needs_its_token(people: People, ours: World) -> None:
    refused: dict[tuple[str, str], int] = {}
    for who in ("owner", "operator"):
        client = people[who]
        client.handler.enforce_csrf_checks = True
        urls = [
            reverse(f"admin:{model}_{page}", args=[row.pk])
            for model, row in ours.rows.items()
            for page, _ in _object_pages(model)
        ]
        urls += [reverse(f"admin:{model}_{p}") for model in ALLOWED for p in ("add", "changelist")]
        urls += [reverse(f"admin:{name}") for name in MANY_PAGES]
        urls += ["/portal/logout/", "/portal/password_change/", "/portal/login/"]
        urls += ["/portal/password-reset/", "/portal/mailbox/clear/", "/portal/explain/"]
        refused |= {(who, url): client.post(url, {"post": "yes"}).status_code for url in urls}
    assert set(refused.values()) == {403}
