"""A name server on 127.0.0.1, over real UDP: knows the TXT records it was told, and can be silent."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class DnsServer:
    """Answers until it is left. `records` are texts by name in ASCII; `rcode` is for all names
    that have none there."""

    def __init__(self) -> None:
        self.records: dict[str, list[str]] = {}
        self.rcode = dns.rcode.NXDOMAIN
        self.is_silent = False
        self.asked: list[tuple[str, str]] = []
        """Names and types, in order."""

        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """As `settings.DNS_SERVERS` has it."""
        return "127.0.0.1", self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            question = query.question[0]
            name = question.name.to_text(omit_final_dot=True).lower()
            self.asked.append((name, dns.rdatatype.to_text(question.rdtype)))
            if self.is_silent:
                continue
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.AA
            if name in self.records:
                texts = self.records[name]
                quoted = [
                    " ".join(f'"{t[i : i + 200]}"' for i in range(0, len(t), 200)) for t in texts
                ]
                if quoted:
                    answer.answer.append(
                        dns.rrset.from_text(question.name, 60, "IN", "TXT", *quoted)
                    )
            else:
                answer.set_rcode(self.rcode)
            self._socket.sendto(answer.to_wire(), peer)
