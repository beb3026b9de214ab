"""Files as scripts: a page that is opened from a folder may load scripts, and nothing else.

A file is compressed, cut into pieces and written as JavaScript that hands each piece to the page.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from pathlib import Path

_READ = 4 << 20
_PIECE = 6 << 20  # compressed bytes of a script, a multiple of 3, so that the pieces' base64 can be joined
_GZIP = 31  # zlib's number for a stream with a header of gzip, which holds no time


def write_pieces(source: Path, folder: Path, name: str) -> list[str]:
    """Write a file to ``folder`` as scripts that call ``give(name, number, base64)``; return their names in order."""
    written = []
    for number, piece in enumerate(_cut(_compressed(source))):
        file = f"{name}.{number:03d}.js"
        text = base64.b64encode(piece).decode()
        (folder / file).write_text(f'give("{name}",{number},"{text}");\n', encoding="ascii")
        written.append(file)
    return written


def _compressed(source: Path) -> Iterator[bytes]:
    packer = zlib.compressobj(6, wbits=_GZIP)
    with source.open("rb") as reader:
        while read := reader.read(_READ):
            yield packer.compress(read)
    yield packer.flush()


def _cut(stream: Iterator[bytes]) -> Iterator[bytes]:
    held = bytearray()
    for more in stream:
        held += more
        while len(held) >= _PIECE:
            yield bytes(held[:_PIECE])
            del held[:_PIECE]
    yield bytes(held)
