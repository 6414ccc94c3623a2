"""What a web process and its renderer say to each other, and the limits that both know.

A message is four octets of length and so many octets. The first octet says what it is. Only JSON
and text are read from a renderer, which is never believed more than the template it renders.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

MEBIBYTE = 1024 * 1024
MEMORY_OCTETS = 64 * MEBIBYTE  # above what the renderer has when it is idle
OUTPUT_OCTETS = MEBIBYTE  # of one part
SOURCE_OCTETS = MEBIBYTE // 2  # parts and partials together
# The renderer's own clock is a little ahead of the one of its parent, which kills.
AHEAD_SECONDS = 0.05
PARTIAL = "partials."  # before a partial's name, where a flaw names a part

# To the renderer.
SOURCE, CHECK, RENDER = b"s", b"c", b"r"
# From it. A capital letter: and this was my last answer, end me.
READY, TEXTS, FLAWS, UNKNOWN = b"a", b"t", b"f", b"u"

HEAD = struct.Struct(">I")
KEY_OCTETS = 32
SECONDS = struct.Struct(">d")
LARGEST_ANSWER = 8 * OUTPUT_OCTETS


def packed(pieces: Sequence[bytes]) -> bytes:
    """Pieces, each with its length."""
    return b"".join(head for piece in pieces for head in (HEAD.pack(len(piece)), piece))


def unpacked(octets: bytes, start: int = 0) -> list[bytes]:
    """The pieces that were packed.

    Raises:
        ValueError: they are not whole.
    """
    pieces = []
    while start < len(octets):
        if start + HEAD.size > len(octets):
            raise ValueError("half a length")
        (length,) = HEAD.unpack_from(octets, start)
        start += HEAD.size
        if start + length > len(octets):
            raise ValueError("half a piece")
        pieces.append(octets[start : start + length])
        start += length
    return pieces
