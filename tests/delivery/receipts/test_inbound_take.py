"""Mails to return paths: what they change, and what nobody can change by them."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from delivery.inbound.take import Taken, take
from delivery.models import Receipt
from delivery.receive import RAW_CHARACTERS
from hiram.lib import ids
from notifications.models import (
    Attempt,
    Content,
    Event,
    Notification,
    OutboxMessage,
)
from notifications.suppression import suppress
from tenants.models import Provider, Tenant
from tests.delivery.receipts.conftest import applied, status, types
from tests.delivery.receipts.mails import ADA, block, bounce, complaint
from tests.factories import ProviderFactory, TenantFactory, email, post
from tests.tenancy import together

pytestmark = pytest.mark.django_db(transaction=True)

EVE = "eve@else.example"


@pytest.fixture
def sent(tenant: Tenant, provider: Provider, run: Any) -> Notification:
    [notification] = post(tenant)
    run()
    assert status(notification) == "sent"
    return notification


def tried(notification: Notification) -> Attempt:
    return Attempt.objects.filter(subject_id=notification.pk).latest("number")


def came(about: Notification, mail: bytes, *, from_nobody: bool = True) -> Taken:
    return take(tried(about).pk, mail, from_nobody=from_nobody)


def suppressed(notification: Notification, address: str = ADA) -> bool:
    """Whether it was in the list; it is now."""
    return not suppress(notification.tenant_id, "live", "email", address, "manual")[1]


class TestTaken:
    def test_a_hard_bounce(self, tenant, sent):
        assert came(sent, bounce()) is Taken.KEPT
        assert status(sent) == "sent"
        applied()
        assert (status(sent), sent.reason) == ("bounced", "hard_bounce")
        told = Event.objects.get(type="notification.bounced").data
        assert told["code"] == "5.1.1"
        assert told["description"] == f"550 5.1.1 <{ADA}>: Recipient address rejected"
        assert told["attempt_id"] == str(tried(sent).pk)
        [again] = post(tenant)
        assert (again.status, again.reason) == ("suppressed", "suppression:hard_bounce")

    @pytest.mark.parametrize("lines", [{"status": "4.4.7"}, {"status": "5.2.2"}])
    def test_a_soft_one(self, sent, lines):
        assert came(sent, bounce(block(**lines))) is Taken.KEPT
        applied()
        assert (status(sent), sent.reason) == ("bounced", "soft_bounce")
        assert not suppressed(sent)

    def test_a_complaint(self, sent):
        assert came(sent, complaint(), from_nobody=False) is Taken.KEPT
        applied()
        assert (status(sent), sent.reason) == ("complained", "complaint")
        assert suppressed(sent)

    def test_late_then_delivered(self, sent):
        came(sent, bounce(block(action="delayed", status="4.4.1")))
        applied()
        assert (status(sent), types(sent)[-1]) == ("sent", "deferred")
        came(sent, bounce(block(action="delivered", status="2.0.0")))
        applied()
        assert status(sent) == "delivered"
        assert not suppressed(sent)

    def test_relayed_is_no_news(self, sent):
        before = types(sent)
        assert came(sent, bounce(block(action="relayed", status="2.0.0"))) is Taken.KEPT
        applied()
        assert (status(sent), types(sent)) == ("sent", before)

    def test_of_a_lost_answer(self, tenant, provider, simulator, run):
        simulator.order(target="smtp", kind="cut_after_accept", times=1)
        [notification] = post(tenant)
        run()
        assert tried(notification).outcome == "unknown"
        assert came(notification, bounce()) is Taken.KEPT
        applied()
        assert (status(notification), tried(notification).outcome) == ("bounced", "sent")
        assert not OutboxMessage.objects.exists()
        assert simulator.count() == 1

    def test_of_the_first_of_two_tries(self, tenant, provider, simulator, run):
        simulator.order(target="smtp", kind="cut_after_accept", times=1)
        [notification] = post(tenant)
        run()
        OutboxMessage.objects.update(due_at=timezone.now(), leased_by=None)
        run()
        first, second = Attempt.objects.order_by("number")
        assert take(first.pk, bounce(), from_nobody=True) is Taken.KEPT
        applied()
        assert (status(notification), Receipt.objects.get().attempt_id) == ("bounced", first.pk)
        assert second.outcome == "sent"

    def test_it_is_two_looks_and_one_insert(self, sent):
        attempt = tried(sent)
        with CaptureQueriesContext(connection) as asked:
            take(attempt.pk, bounce(), from_nobody=True)
        words = [query["sql"].split()[0] for query in asked]
        assert words == ["SELECT", "SELECT", "WITH"]

    def test_what_is_none_asks_nobody(self, sent):
        attempt = tried(sent)
        with CaptureQueriesContext(connection) as asked:
            assert take(attempt.pk, b"Subject: away\r\n\r\n", from_nobody=True) is Taken.NO_REPORT
            assert take(attempt.pk, bounce(), from_nobody=False) is Taken.NO_REPORT
        assert len(asked) == 0


class TestAgain:
    def test_the_same(self, sent):
        assert {came(sent, bounce()) for _ in range(3)} == {Taken.KEPT}
        assert Receipt.objects.count() == 1
        applied()
        before = types(sent)
        came(sent, bounce())
        applied()
        assert types(sent) == before

    def test_from_eight_threads(self, sent):
        attempt = tried(sent).pk
        took = together(8, lambda i: take(attempt, bounce(), from_nobody=True))
        assert set(took) == {Taken.KEPT}
        assert Receipt.objects.count() == 1

    def test_one_of_a_kind_however_many_are_written(self, sent):
        for n in range(20):
            late = block(action="delayed", status=f"4.{n}.1", Diagnostic_Code=f"x; {n}",
                         Last_Attempt_Date=f"Fri, 2 Jan 2026 03:04:{n:02} +0000")  # fmt: skip
            came(sent, bounce(late))
            came(sent, bounce(late, late, late))
        assert Receipt.objects.count() == 1
        applied()
        assert types(sent).count("deferred") == 1


class TestWhom:
    @pytest.fixture
    def copied(self, tenant: Tenant, provider: Provider, run: Any) -> Notification:
        [made] = post(tenant, email(cc=["cc@recipient.example"], bcc=["bcc@recipient.example"]))
        run()
        return made

    def test_somebody_else_cannot_be_suppressed(self, sent):
        two = (block(to=EVE), block(to="mallory@else.example"))
        assert came(sent, bounce(*two)) is Taken.OTHER_RECIPIENT
        assert not Receipt.objects.exists()
        assert came(sent, bounce(block(), *two)) is Taken.KEPT
        applied()
        assert status(sent) == "bounced"
        assert not suppressed(sent, EVE)
        assert suppressed(sent)

    def test_whom_it_was_forwarded_to_stands_for_whom_we_wrote_to(self, sent):
        assert came(sent, bounce(block(to=EVE))) is Taken.KEPT
        applied()
        assert status(sent) == "bounced"
        assert not suppressed(sent, EVE)
        assert suppressed(sent)

    @pytest.mark.parametrize("name", ["ADA@Recipient.Example", f"<{ADA}>", f"{ADA}."])
    def test_in_another_spelling(self, copied, name):
        assert came(copied, bounce(block(to=name))) is Taken.KEPT
        applied()
        assert status(copied) == "bounced"

    @pytest.mark.parametrize("copy", ["cc@recipient.example", "bcc@recipient.example"])
    def test_a_copys_is_the_copys(self, copied, copy):
        assert came(copied, bounce(block(to=copy))) is Taken.KEPT
        applied()
        assert status(copied) == "sent"
        assert suppressed(copied, copy)
        assert not suppressed(copied)

    def test_of_several_it_must_name_one(self, copied):
        assert came(copied, bounce(block(to=EVE))) is Taken.OTHER_RECIPIENT
        assert came(copied, complaint()) is Taken.OTHER_RECIPIENT
        named = complaint("abuse", f"Original-Rcpt-To: {ADA}")
        assert came(copied, named) is Taken.KEPT
        applied()
        assert status(copied) == "complained"

    def test_when_the_content_is_gone_the_recipient_is_known(self, copied):
        Content.objects.all().delete()
        assert came(copied, bounce(block(to="cc@recipient.example"))) is Taken.KEPT
        assert came(copied, bounce()) is Taken.KEPT
        applied()
        assert status(copied) == "bounced"


class TestNobodys:
    def test_another_tenants_is_another_tenants(self, tenant, sent, simulator, run):
        """The address says which attempt, and that whose: at whichever domain it is used."""
        other = TenantFactory.create()
        theirs = ProviderFactory.create(tenant=other, port=simulator.smtp_port)
        [notification] = post(other)
        run()
        assert came(notification, bounce()) is Taken.KEPT
        applied()
        assert (status(notification), status(sent)) == ("bounced", "sent")
        kept = Receipt.objects.get()
        assert (kept.tenant_id, kept.provider_id) == (other.pk, theirs.pk)
        assert not suppressed(sent)

    def test_of_a_provider_that_is_gone(self, sent):
        attempt = tried(sent)
        Provider.objects.all().delete()
        assert take(attempt.pk, bounce(), from_nobody=True) is Taken.UNKNOWN_ATTEMPT
        assert not Receipt.objects.exists()

    def test_of_an_attempt_that_never_was(self, sent):
        assert take(ids.new(), bounce(), from_nobody=True) is Taken.UNKNOWN_ATTEMPT

    def test_of_an_attempt_that_called_nobody(self, sent):
        Attempt.objects.update(shadow=True)
        assert came(sent, bounce()) is Taken.UNKNOWN_ATTEMPT
        Attempt.objects.update(shadow=False, provider_id=None)
        assert came(sent, bounce()) is Taken.UNKNOWN_ATTEMPT
        assert not Receipt.objects.exists()

    def test_a_disabled_providers_news_are_still_news(self, sent):
        Provider.objects.update(enabled=False)
        assert came(sent, bounce()) is Taken.KEPT
        applied()
        assert status(sent) == "bounced"


class TestHostile:
    def test_texts_that_no_table_takes(self, sent):
        nasty = block(
            status="5.1.1", Diagnostic_Code="smtp; 550 5.1.1 \0\u202e" + "x" * 9_000,
            Last_Attempt_Date="Fri, 31 Dec 9999 23:59:59 -1200",
        ).replace("rejected", "\0" * 20_000)  # fmt: skip
        raw = bounce(nasty, block(to="\0" * 400)).replace(b"Remote-MTA", b"\xff\xfe\0")
        assert came(sent, raw) is Taken.KEPT
        applied()
        assert status(sent) == "bounced"
        kept = Receipt.objects.get()
        assert len(str(kept.raw)) <= RAW_CHARACTERS
        assert "\0" not in f"{kept.raw}{kept.description}{kept.recipient}"

    @pytest.mark.parametrize(
        "name", ["\0", "=?utf-7?q?+AGE?=", "xn--\udc80@x".encode("utf-8", "replace").decode(),
                 "a@" + "ü" * 300, "a@xn--" + "9" * 300, "\u200d@\u200d", "@", "a@b@c"],
    )  # fmt: skip
    def test_names_that_are_none(self, sent, name):
        two = (block(to=name), block(to=EVE))
        assert came(sent, bounce(*two)) is Taken.OTHER_RECIPIENT
