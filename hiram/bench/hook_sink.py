"""An HTTP server that takes every webhook and keeps nothing but times.

`python -m hiram.bench.hook_sink FILE` prints its port, then serves until it is killed. For each
post it appends `monotonic-time notification-id` to FILE; one to a path with `slow` in it is
answered after 30 s.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TextIO

SLOW_SECONDS = 30
_OK = b"HTTP/1.1 204 No Content\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: TextIO) -> None:
    """Take requests of one connection until it ends."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            at = head.lower().index(b"content-length:") + 15
            body = await reader.readexactly(int(head[at : head.index(b"\r", at)]))
            if b"slow" in head[: head.index(b"\r")]:
                await asyncio.sleep(SLOW_SECONDS)
            else:
                key = json.loads(body)["data"].get("notification_id", "-")
                log.write(f"{time.monotonic():.6f} {key}\n")
            writer.write(_OK)
    except (asyncio.IncompleteReadError, OSError):
        writer.close()


async def serve(path: Path) -> None:
    """Listen on a free port of loopback, and say which."""
    with path.open("a", buffering=1) as log:
        server = await asyncio.start_server(
            lambda reader, writer: answer(reader, writer, log), "127.0.0.1", 0
        )
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
