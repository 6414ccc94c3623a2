"""An SMTP server that takes everything, keeps nothing but times, and is never the limit.

`python -m hiram.bench.sink FILE` prints its port, then serves until it is killed. For each mail
it appends `monotonic-time key` to FILE: when the end of DATA was read, and the Message-ID's left
part. It speaks enough of RFC 5321, with PIPELINING (RFC 2920).
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from pathlib import Path
from typing import TextIO

_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^@>]*)@", re.IGNORECASE | re.MULTILINE)
_GREETING = b"220 sink ESMTP\r\n"
_EHLO = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"


class Sink(asyncio.Protocol):
    """One client."""

    def __init__(self, log: TextIO) -> None:
        """Write arrivals to `log`."""
        self._log = log
        self._buffer = b""
        self._in_data = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = transport  # type: ignore[assignment]
        self._transport.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        """Answer every whole command, and every whole message."""
        self._buffer += data
        while True:
            end = b"\r\n.\r\n" if self._in_data else b"\r\n"
            head, found, rest = self._buffer.partition(end)
            if not found:
                return
            self._buffer = rest
            self._transport.write(self._message(head) if self._in_data else self._command(head))

    def _message(self, raw: bytes) -> bytes:
        found = _MESSAGE_ID.search(raw)
        key = found[1].decode() if found else "-"
        self._log.write(f"{time.monotonic():.6f} {key}\n")
        self._in_data = False
        return b"250 2.0.0 Ok\r\n"

    def _command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return _EHLO
        if verb == b"DATA":
            self._in_data = True
            return b"354 Go on\r\n"
        if verb == b"QUIT":
            return b"221 Bye\r\n"
        return b"250 2.1.0 Ok\r\n"


async def serve(path: Path) -> None:
    """Listen on a free port of loopback, and say which."""
    loop = asyncio.get_running_loop()
    with path.open("a", buffering=1) as log:
        server = await loop.create_server(lambda: Sink(log), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
