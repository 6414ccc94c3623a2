"""The list of the suppressed as a file: out, in, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from notifications.api import suppression_csv
from notifications.models import Notification, Suppression
from notifications.suppression import suppress
from tenants.models import Tenant
from tests.factories import TenantFactory, email, post
from tests.notifications.calls import Api, Said, api

pytestmark = pytest.mark.django_db

EXPORT, IMPORT = "/v1/suppressions/export", "/v1/suppressions/import"


def give(caller: Api, text: str | bytes, kind: str = "text/csv") -> Said:
    raw = text if isinstance(text, bytes) else text.encode()
    return caller.ask("POST", IMPORT, raw, content_type=kind)


def take(caller: Api, query: str = "") -> tuple[Any, list[list[str]]]:
    answer = Client().get(f"{EXPORT}{query}", headers={"X-Api-Key": caller.key})
    text = answer.getvalue().decode()
    return answer, list(csv.reader(io.StringIO(text)))


class TestImport:
    def test_each_line_is_added_or_named(self, live: Api, tenant: Tenant) -> None:
        [owed] = post(tenant, email(recipient="ada@x.example"))
        suppress(tenant.pk, "live", "email", "old@x.example", "complaint")
        said = give(live, (
            "channel,address,category,reason,expires_at\r\n"
            "email,ada@x.example,,,\r\n"
            "email,nobody,,,\r\n"
            "fax,1,,,\r\n"
            "\r\n"
            "email,bob@x.example,marketing,unsubscribed,2099-01-01T00:00:00Z\r\n"
            "email,eve@x.example,gossip,whim,2020-01-01T00:00:00Z\r\n"
            "email,eve@x.example,,,2020-01-01T00:00:00Z\r\n"
            "email,old@x.example,,,\r\n"
            "email,ADA@x.example,,,\r\n"
            "email,too,many,cells,here,now\r\n"
            "sms,+1 415 555 0100,,,\r\n"
        ))  # fmt: skip
        assert said.status == 200, said.body
        rejected = said.body.pop("rejected")
        assert said.body == {"lines": 10, "added": 3, "known": 2, "ended": 1}
        assert [
            (line["line"], [(e["pointer"], e["code"]) for e in line["errors"]])
            for line in rejected
        ] == [
            (3, [("/address", "invalid")]),
            (4, [("/channel", "not_an_option")]),
            (7, [("/reason", "not_an_option"), ("/category", "not_an_option")]),
            (8, [("/expires_at", "in_the_past")]),
            (11, [("", "invalid")]),
        ]
        rows = Suppression.objects.order_by("recipient").values_list(
            "channel", "recipient", "category", "reason", "source"
        )
        assert set(rows) == {
            ("sms", "+14155550100", None, "manual", "import"),
            ("email", "ada@x.example", None, "manual", "import"),
            ("email", "bob@x.example", "marketing", "unsubscribed", "import"),
            ("email", "old@x.example", None, "complaint", ""),
        }
        assert Notification.objects.get(pk=owed.pk).reason == "suppression:manual"

    def test_as_spreadsheets_write_it(self, live: Api) -> None:
        text = "\ufeffAddress;Channel\nada@x.example;email\n'+14155550100;sms\n"
        said = give(live, text, "text/csv; charset=UTF-8")
        assert (said.body["added"], said.body["rejected"]) == (2, [])

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("", "invalid"), ("email,ada@x.example\n", "invalid"), ("channel\nemail\n", "invalid"),
            ("channel,address,address\n", "invalid"), ("channel,address,x\n", "invalid"),
            (b"channel,address\nemail,\xff\n", "malformed"),
            ("channel,address\nemail,a\0@x.example\n", "malformed"),
            ('channel,address\nemail,"ada@x.example\n', "malformed"),
            ('channel,address\nemail,"ada"x\n', "malformed"),
        ],
        ids=["empty", "no header", "one column", "twice", "unknown", "latin", "nul", "open", "quote"],
    )  # fmt: skip
    def test_what_is_no_such_file(self, live: Api, text: str | bytes, code: str) -> None:
        assert give(live, text).code == code
        assert not Suppression.objects.exists()

    def test_other_kinds_and_too_much(self, live: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        head = "channel,address\n"
        for kind in ("application/json", "text/plain", "", "text/csv; charset=latin-1"):
            assert give(live, head, kind).code == "unsupported-media-type"
        monkeypatch.setattr(suppression_csv, "LINES_MOST", 2)
        assert give(live, head + "email,a@x.example\n" * 3).code == "too-large"
        monkeypatch.setattr(suppression_csv, "OCTETS_MOST", 20)
        assert give(live, head + "email,a@x.example\n").code == "too-large"
        assert not Suppression.objects.exists()


class TestExport:
    def test_what_goes_out_goes_in_again(self, live: Api, tenant: Tenant) -> None:
        until = timezone.now() + timedelta(days=9)
        suppress(tenant.pk, "live", "email", "ada@x.example", "complaint", "receipt")
        suppress(tenant.pk, "live", "sms", "+14155550100", "manual", "api", expires_at=until)
        suppress(tenant.pk, "live", "email", "b@x.example", "unsubscribed", category="marketing")
        answer, lines = take(live)
        assert answer.status_code == 200
        assert answer.streaming
        assert answer.headers["Content-Type"].startswith("text/csv")
        assert "attachment" in answer.headers["Content-Disposition"]
        assert lines[0] == list(suppression_csv.COLUMNS)
        assert [line[1] for line in lines[1:]] == ["ada@x.example", "'+14155550100", "b@x.example"]
        before = set(self.rows())
        Suppression.objects.all().delete()
        text = "\n".join(",".join(line) for line in lines)
        assert give(live, text).body["added"] == 3
        assert set(self.rows()) == before

    def rows(self) -> Any:
        names = ("channel", "recipient", "address", "category", "reason", "expires_at")
        rows = Suppression.objects.values_list(*names)
        return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in rows]

    def test_nothing_in_it_is_a_formula(self, live: Api, tenant: Tenant) -> None:
        evil = ["=1+1@x.example", "+1@x.example", "-1@x.example", "@x", "\t=1@x.example"]
        for address in evil:
            suppress(tenant.pk, "live", "email", address, "manual", "=cmd|' /C calc'!A0")
        _, lines = take(live)
        assert len(lines) == 6
        for line in lines[1:]:
            assert not any(cell[:1] in tuple("=+-@\t\r") for cell in line if cell)
            assert line[1][1:] in evil

    def test_by_pages_and_filters_without_the_erased(
        self, live: Api, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(suppression_csv, "_AT_ONCE", 2)
        for n in range(5):
            suppress(tenant.pk, "live", "email", f"u{n}@x.example", "manual", "api")
        suppress(tenant.pk, "live", "sms", "+14155550100", "complaint")
        Suppression.objects.filter(recipient="u0@x.example").update(recipient=None)
        assert [line[1] for line in take(live)[1][1:]] == [
            *(f"u{n}@x.example" for n in range(1, 5)), "'+14155550100",
        ]  # fmt: skip
        assert len(take(live, "?channel=email&source=api")[1]) == 5
        assert len(take(live, "?reason=complaint")[1]) == 2
        assert live.get(f"{EXPORT}?channel=fax").errors == [("/channel", "not_an_option")]

    def test_strangers_and_scopes(self, live: Api, tenant: Tenant) -> None:
        suppress(tenant.pk, "live", "email", "ada@x.example", "manual")
        for stranger in (api(TenantFactory.create()), api(tenant, "test")):
            assert len(take(stranger)[1]) == 1
        reader = api(tenant, scopes=("notifications:read",))
        writer = api(tenant, scopes=("notifications:write",))
        text = "channel,address\n"
        assert (take(reader)[0].status_code, take(writer)[0].status_code) == (200, 403)
        assert (give(reader, text).status, give(writer, text).status) == (403, 200)
