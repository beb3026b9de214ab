"""The footer of a Parquet file with other key-value metadata, while the pages stay as they are.

A file ends in its footer: a struct of Thrift's compact protocol, its length, and ``PAR1``. Only the footer holds the
metadata, so a mark costs neither decoding nor encoding, and sorting, statistics and compression stay. The protocol is
described in the Apache Thrift specification, the struct (FileMetaData) in the Apache Parquet format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from omopsql.errors import OmopsqlError

_MAGIC = b"PAR1"
_TAIL = 8  # bytes: the length of the footer, and the magic
_KEY_VALUE_METADATA = 5  # the field of FileMetaData
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


@dataclass(frozen=True)
class Footer:
    """A footer: the byte of the file where it begins, and its struct as it stands there."""

    start: int
    struct: bytes

    @classmethod
    def read(cls, path: Path) -> Footer:
        """Read the footer of a file. Raises OmopsqlError when it is no Parquet file, or an encrypted one."""
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(size - _TAIL, 0))
            tail = file.read()
            length = struct.unpack("<I", tail[:4])[0] if tail[4:] == _MAGIC else 0
            start = size - _TAIL - length
            if not length or start < len(_MAGIC):
                raise OmopsqlError(f"{path} is no Parquet file, or a damaged or encrypted one; write it again")
            file.seek(start)
            return cls(start, file.read(length))

    def with_metadata(self, metadata: Mapping[bytes, bytes]) -> bytes:
        """Write the end of the file with other key-value metadata in the place of those it has."""
        fields = {number: (kind, value) for number, kind, value in _fields(self.struct)}
        fields[_KEY_VALUE_METADATA] = (_LIST, _key_values(metadata))
        written = bytearray()
        last = 0
        for number in sorted(fields):
            kind, value = fields[number]
            written += bytes([(number - last) << 4 | kind]) + value
            last = number
        written.append(0)
        return bytes(written) + struct.pack("<I", len(written)) + _MAGIC


def _fields(footer: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the number, the type and the bytes of each field of the outer struct."""
    position, number = 0, 0
    while footer[position]:
        delta, kind = footer[position] >> 4, footer[position] & 15
        if not delta:  # only of fields that lie more than 15 apart
            raise OmopsqlError("the footer of the Parquet file has fields that no version of the format declares")
        number += delta
        start = position + 1
        position = _end(footer, start, kind)
        yield number, kind, footer[start:position]


def _end(data: bytes, position: int, kind: int) -> int:
    """Return where a value that begins at ``position`` ends."""
    if kind in (_TRUE, _FALSE):  # the type of a field is its value
        return position
    if kind in (_I16, _I32, _I64):
        return _varint(data, position)[1]
    if kind == _STRUCT:
        return _end_of_struct(data, position)
    if kind == _BINARY:
        length, position = _varint(data, position)
        return position + length
    if kind in (_LIST, _SET):
        return _end_of_list(data, position)
    if kind in (_BYTE, _DOUBLE):
        return position + (8 if kind == _DOUBLE else 1)
    raise OmopsqlError(f"the footer of the Parquet file holds a value of type {kind}, which the format does not have")


def _end_of_struct(data: bytes, position: int) -> int:
    while data[position]:
        head = data[position]
        position += 1
        if not head >> 4:
            position = _varint(data, position)[1]
        position = _end(data, position, head & 15)
    return position + 1


def _end_of_list(data: bytes, position: int) -> int:
    size, kind = data[position] >> 4, data[position] & 15
    position += 1
    if size == 15:
        size, position = _varint(data, position)
    if kind in (_TRUE, _FALSE):  # inside of lists each takes a byte
        return position + size
    for _ in range(size):
        position = _end(data, position, kind)
    return position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Read a number of seven bits a byte; return it, and where it ends."""
    number = shift = 0
    while data[position] & 0x80:
        number |= (data[position] & 0x7F) << shift
        shift += 7
        position += 1
    return number | data[position] << shift, position + 1


def _key_values(metadata: Mapping[bytes, bytes]) -> bytes:
    """Write a list of structs of two texts, key (1) and value (2)."""
    size = len(metadata)
    head = bytes([size << 4 | _STRUCT]) if size < 15 else bytes([0xF0 | _STRUCT]) + _written_varint(size)
    pair = bytes([1 << 4 | _BINARY])
    return head + b"".join(pair + _text(key) + pair + _text(value) + b"\0" for key, value in metadata.items())


def _text(encoded: bytes) -> bytes:
    return _written_varint(len(encoded)) + encoded


def _written_varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
