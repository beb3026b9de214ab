"""Files that people carry between sites: what the file says, its body, and who signed it.

Three lines of text, then the body: what kind of file it is, a JSON object, the signature of both lines. The object
holds the length and the SHA-256 of the body, so the signature covers everything.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omopsql.errors import OmopsqlError

from .primitives import is_signed, signature

KINDS = ("card", "share", "masked", "total", "recovered")
_FIRST = "omopsql {kind} 1"
_LONGEST_HEAD = 1 << 24


@dataclass(frozen=True)
class Envelope:
    """One carried file. ``says`` is its JSON object; ``head`` are the bytes that ``mark`` signs."""

    path: Path
    kind: str
    says: dict[str, Any]
    mark: bytes
    head: bytes = field(repr=False)
    body: memoryview = field(repr=False)

    def is_signed_by(self, public: bytes) -> bool:
        """Whether the holder of a key signed this very file."""
        return is_signed(public, self.head, self.mark)


def text(value: bytes) -> str:
    """Bytes as they stand in a JSON object."""
    return base64.b64encode(value).decode()


def raw(value: str) -> bytes:
    """The bytes of a text in a JSON object."""
    return base64.b64decode(value, validate=True)


def write(path: Path, kind: str, says: dict[str, Any], signing_key: bytes, body: bytes | memoryview = b"") -> None:
    """Write a file and sign it."""
    says = {**says, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    head = head_of(kind, json.dumps(says, sort_keys=True, ensure_ascii=False))
    with path.open("wb") as file:
        file.write(head + text(signature(signing_key, head)).encode() + b"\n")
        file.write(body)


def head_of(kind: str, told: str) -> bytes:
    """The two lines that are signed."""
    return f"{_FIRST.format(kind=kind)}\n{told}\n".encode()


def read(path: Path, kind: str) -> Envelope:
    """Read a file of one kind. Raises OmopsqlError when it is of another, cut off, or its body was changed."""
    content = path.read_bytes()
    first, told, mark, start = _lines(content)
    known = next((known for known in KINDS if first == _FIRST.format(kind=known)), None)
    if known != kind:
        what = f"a file of kind {known!r}" if known else "no file that omopsql site wrote"
        raise OmopsqlError(f"{path} is {what}; give a file of kind {kind!r} here")
    body = memoryview(content)[start:]
    try:
        says, signed = json.loads(told), raw(mark)
        is_whole = says["bytes"] == len(body) and says["sha256"] == hashlib.sha256(body).hexdigest()
    except (ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise OmopsqlError(f"{path} was changed or cut off on its way: ask for it again")
    return Envelope(path, kind, says, signed, head_of(kind, told), body)


def _lines(content: bytes) -> tuple[str, str, str, int]:
    """The first three lines, and where the body begins."""
    lines, start = [], 0
    for _ in range(3):
        end = content.find(b"\n", start, start + _LONGEST_HEAD)
        if end < 0:
            return "", "", "", len(content)
        lines.append(content[start:end].decode(errors="replace"))
        start = end + 1
    return lines[0], lines[1], lines[2], start
