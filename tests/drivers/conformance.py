"""What every driver must keep, whatever its vendor: inherited by each driver's own test class.

A subclass gives the fixture `server`, which speaks the vendor's wire format, and says how to
order the server's faults. Everything runs without a database: pytest-django blocks it, so a
driver that touches a table fails here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.utils import parseaddr
from ipaddress import ip_network
from typing import Any, ClassVar, Protocol

import pytest

from delivery.driver import Account, Answer, Driver, Failed, Fault, Message, Sent, Unknown
from hiram.lib import http
from hiram.lib.excerpt import MAX_CHARACTERS
from tests.drivers.peer import PEERS, Peer, Wire, garbage, silent, wait_for

SECONDS = 10.0
"""A call's time where the time is not what is tested."""

SHORT = 0.6
"""A call's time against a peer that would never end; `SLACK` is what a busy machine may add."""

SLACK = 1.5

DEVELOPMENT = http.Policy((ip_network("127.0.0.0/8"), ip_network("::1/128")), plain=True)


NAMES = ("Acme", 'Jörg "J\\" <eve@evil.example>, Inc.', "Ä" * 60, "a@evil.example, b")


def mailbox(text: str) -> tuple[str, str]:
    """Name and address of a From as a mail program shows them (RFC 2047, section 6.2)."""
    name, address = parseaddr(text)
    return (str(make_header(decode_header(name))) if "=?" in name else name), address


class Server(Protocol):
    """The vendor's stand-in."""

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        ...

    @property
    def open(self) -> int:
        """Connections open now."""
        ...

    @property
    def connections(self) -> int:
        """Connections ever accepted."""
        ...


@dataclass(frozen=True, slots=True)
class Case:
    """A fault to order of the server, and what the driver must make of it.

    `order` is whatever the subclass's `order` understands. `fault` is None for Unknown.
    `retry_after` is compared only if given.
    """

    name: str
    order: Any
    fault: Fault | None
    code: str | None = None
    retry_after: float | None = None


class Conformance:
    """Subclasses give `server`, the methods that raise NotImplementedError, and the tables."""

    cases: ClassVar[Sequence[Case]] = ()
    wrong: ClassVar[Sequence[tuple[dict[str, Any], str]]] = ()
    """Changes to good settings that `check` must object to, and the field it must name."""

    guarded: ClassVar[bool] = True
    """Whether a tenant chooses the host, so that the outbound guard must hold."""

    def make(self) -> Driver:
        """A new driver."""
        raise NotImplementedError

    def account_for(self, port: int) -> Account:
        """An account whose server is on `port`, with every canary among its credentials."""
        raise NotImplementedError

    def canaries(self, account: Account) -> tuple[str, ...]:
        """What must appear nowhere: by default every credential."""
        values = (getattr(account.credentials, item.name) for item in fields(account.credentials))
        return tuple(value for value in values if isinstance(value, str) and value)

    def order(self, server: Any, order: Any) -> None:
        """Make `server` behave as a case says."""
        raise NotImplementedError

    def taken(self, server: Any) -> list[str]:
        """The keys of the messages that the server took, in order."""
        raise NotImplementedError

    def handed_over(self, server: Any) -> list[bytes]:
        """The payloads that the server took."""
        raise NotImplementedError

    def message_with(self, key: str = "ntf_01") -> Message:
        """A message that the driver can send."""
        raise NotImplementedError

    def senders(self, server: Any) -> list[tuple[str, str]]:
        """Of e-mails that the server took, the names and addresses that a reader is shown."""
        raise NotImplementedError

    # --- fixtures -----------------------------------------------------------------------------

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", self.cases, ids=[case.name for case in self.cases])
        if "mistake" in metafunc.fixturenames:
            metafunc.parametrize(
                "mistake", self.wrong, ids=[str(field) for _, field in self.wrong]
            )

    @pytest.fixture
    def made(self) -> Iterator[Driver]:
        made = self.make()
        yield made
        made.close()

    def sent_by(
        self, made: Driver, server: Server, *, timeout: float = SECONDS, key: str = "ntf_01"
    ) -> Answer:
        return made.send(self.account_for(server.port), self.message_with(key), timeout=timeout)

    # --- what it declares ---------------------------------------------------------------------

    def test_declares_what_the_forms_are_made_from(self) -> None:
        kind = type(self.make())
        assert kind.channel
        assert kind.label
        assert isinstance(kind.gives_receipts, bool)
        assert isinstance(kind.takes_idempotency_key, bool)
        assert kind.max_per_second is None or kind.max_per_second > 0
        account = self.account_for(1)
        for declared, value in (
            (kind.settings, account.settings), (kind.credentials, account.credentials)
        ):  # fmt: skip
            assert is_dataclass(declared)
            assert type(value) is declared
            for item in fields(declared):
                assert item.metadata["label"], item.name
                with pytest.raises(FrozenInstanceError):
                    setattr(value, item.name, "")

    def test_a_good_account_is_not_objected_to(self, server: Server) -> None:
        account = self.account_for(server.port)
        assert self.make().check(account.settings, account.credentials) == []

    def test_a_wrong_account_is_objected_to_by_field(
        self, server: Server, mistake: tuple[dict[str, Any], str]
    ) -> None:
        account = self.account_for(server.port)
        changes, field = mistake
        own = {item.name for item in fields(account.settings)}
        settings = replace(
            account.settings, **{name: to for name, to in changes.items() if name in own}
        )
        credentials = replace(
            account.credentials, **{name: to for name, to in changes.items() if name not in own}
        )
        found = self.make().check(settings, credentials)
        assert [name for name, _ in found] == [field]
        assert not any(secret in text for _, text in found for secret in self.canaries(account))

    # --- what it sends ------------------------------------------------------------------------

    def test_a_message_is_handed_over_once(self, made: Driver, server: Server) -> None:
        answer = self.sent_by(made, server)
        assert isinstance(answer, Sent), answer
        assert self.taken(server) == ["ntf_01"]

    def test_the_payload_is_what_the_server_gets_on_every_try(
        self, made: Driver, server: Server
    ) -> None:
        account, message = self.account_for(server.port), self.message_with()
        payloads = {made.payload(account, message), self.make().payload(account, message)}
        for _ in range(2):
            assert isinstance(made.send(account, message, timeout=SECONDS), Sent)
        assert {*self.handed_over(server)} == payloads
        assert len(payloads) == 1

    def test_other_messages_have_other_payloads(self, made: Driver, server: Server) -> None:
        account = self.account_for(server.port)
        first, second = (
            made.payload(account, self.message_with(key)) for key in ("ntf_01", "ntf_02")
        )
        assert first
        assert first != second

    def test_sixteen_threads_share_one_driver(self, made: Driver, server: Server) -> None:
        keys = [f"ntf_{number:02}" for number in range(64)]
        start = threading.Barrier(16)

        def some(place: int) -> list[Answer]:
            start.wait(SECONDS)
            return [self.sent_by(made, server, key=key) for key in keys[place::16]]

        with ThreadPoolExecutor(16) as threads:
            answers = [answer for part in threads.map(some, range(16)) for answer in part]
        assert [answer for answer in answers if not isinstance(answer, Sent)] == []
        assert sorted(self.taken(server)) == keys

    def test_connections_are_used_again_and_closed_in_the_end(
        self, made: Driver, server: Server
    ) -> None:
        for _ in range(3):
            assert isinstance(self.sent_by(made, server), Sent)
        assert server.connections == 1
        made.close()
        wait_for(lambda: server.open == 0, "all connections closed")
        assert isinstance(self.sent_by(made, server), Sent)
        assert server.connections == 2

    @pytest.mark.parametrize("name", NAMES)
    def test_the_name_of_the_sender_is_on_the_wire(
        self, made: Driver, server: Server, name: str
    ) -> None:
        """As it is written, and with it no other address."""
        if made.channel != "email":
            pytest.skip("its senders have no name")
        account, message = self.account_for(server.port), self.message_with()
        named = replace(message, sender=account.settings.from_email, sender_name=name)
        assert isinstance(made.send(account, named, timeout=SECONDS), Sent)
        assert self.senders(server) == [(name, account.settings.from_email)]
        for line_break in ("\n", "\r", "\r\nBcc: eve@evil.example"):
            broken = replace(named, sender_name=f"{name}{line_break}x")
            answer = made.send(account, broken, timeout=SECONDS)
            assert isinstance(answer, Failed), answer
            assert answer.fault is Fault.BAD_CONTENT
        assert len(self.handed_over(server)) == 1

    # --- what it makes of faults --------------------------------------------------------------

    def test_faults_are_told_apart(self, made: Driver, server: Server, case: Case) -> None:
        self.order(server, case.order)
        answer = self.sent_by(made, server, timeout=SECONDS)
        if case.fault is None:
            assert isinstance(answer, Unknown), answer
        else:
            assert isinstance(answer, Failed), answer
            assert answer.fault is case.fault, answer
        assert case.code in (None, answer.code)
        if case.retry_after is not None:
            assert isinstance(answer, Failed)
            assert answer.retry_after == case.retry_after

    def test_a_closed_port_is_a_passing_fault(self, made: Driver) -> None:
        with Peer(silent) as peer:
            port = peer.port
        answer = made.send(self.account_for(port), self.message_with(), timeout=SECONDS)
        assert isinstance(answer, Failed), answer
        assert answer.fault is Fault.TRANSIENT

    @pytest.mark.parametrize("speak", PEERS, ids=lambda speak: speak.__name__)
    def test_a_bad_peer_is_a_value_and_in_time(
        self, made: Driver, speak: Callable[[Wire], None]
    ) -> None:
        with Peer(speak) as peer:
            started = time.monotonic()
            answer = made.send(self.account_for(peer.port), self.message_with(), timeout=SHORT)
            took = time.monotonic() - started
            assert isinstance(answer, Failed | Unknown), answer
            if isinstance(answer, Failed):
                assert answer.fault is Fault.TRANSIENT, answer
            assert took < SHORT + SLACK
            assert len(answer.detail) <= MAX_CHARACTERS
            assert answer.detail.isprintable()

    def test_the_guard_holds(self, made: Driver, server: Server) -> None:
        if not self.guarded:
            pytest.skip("the vendor's host is fixed")
        http.use(http.Policy())
        answer = self.sent_by(made, server)
        assert isinstance(answer, Failed), answer
        assert answer.fault is Fault.BAD_ACCOUNT
        assert server.connections == 0

    # --- secrets ------------------------------------------------------------------------------

    def test_secrets_are_in_no_answer_repr_or_log(
        self, made: Driver, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Every case at once: what a vendor repeats to us must not get further."""
        caplog.set_level(logging.DEBUG)
        account = self.account_for(server.port)
        seen = [repr(account), repr(account.settings), repr(account.credentials), repr(made)]
        seen.append(repr(self.sent_by(made, server)))
        for case in self.cases:
            fresh = self.make()
            self.order(server, case.order)
            seen.append(repr(self.sent_by(fresh, server)))
            fresh.close()
        with Peer(garbage) as peer:
            seen.append(repr(self.sent_by(made, peer, timeout=SHORT)))
        seen += [repr(vars(record)) for record in caplog.records]
        canaries = self.canaries(account)
        assert canaries
        assert [canary for canary in canaries if any(canary in text for text in seen)] == []

    def test_secrets_are_in_no_payload(self, made: Driver, server: Server) -> None:
        account = self.account_for(server.port)
        payload = made.payload(account, self.message_with())
        assert [c for c in self.canaries(account) if c.encode() in payload] == []


AT = datetime(2025, 11, 20, 23, 15, tzinfo=UTC)
"""When the messages of these tests were accepted."""
