"""Names of statistics as entries of a table: pieces of at most 13 bytes, each of which knows the piece before it.

The name of a statistic is a text, then whole numbers. Names that begin alike share the pieces of their beginning. The
last piece of a name holds its sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from omopsql.errors import OmopsqlError

from .primitives import Words
from .sketch import Entries, entry_id

_PIECE = 13  # bytes of a name in an entry; the last of its 14 bytes says how many are used, and what they are
_WORD = 7  # bytes
_TEXT, _END = 0x20, 0x10  # a piece of a text; the last piece of a name
_LENGTH = 0x0F
_BYTE, _SIGN, _SEVEN = np.uint64(8), np.uint64(63), np.uint64(7)
_LOW, _MORE = np.uint64(0x7F), np.uint64(0x80)

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Statistics:
    """Sums by name: ``text`` (strings), ``key`` (lists of whole numbers) and ``n``, one a row."""

    text: pa.Array
    key: pa.ListArray
    n: Ints

    def __len__(self) -> int:
        return len(self.n)


def entries_of(statistics: Statistics) -> Entries:
    """The entries that name statistics, each once. No name may stand twice."""
    coded = statistics.text.dictionary_encode()
    _, offsets, content = coded.dictionary.cast(pa.large_binary()).buffers()
    texts = len(coded.dictionary)
    bounds = np.frombuffer(offsets, np.int64, texts + 1)
    letters = np.frombuffer(content, np.uint8) if content is not None and content.size else np.zeros(0, np.uint8)
    roots, of_text = _chains(bounds, letters, np.zeros(texts, np.uint64), np.zeros(texts, np.int64), _TEXT)
    key_bounds, key_bytes = _packed(*_lists(statistics.key))
    rooted = roots[coded.indices.to_numpy(zero_copy_only=False)] if texts else np.zeros(0, np.uint64)
    _, of_key = _chains(key_bounds, key_bytes, rooted, statistics.n, 0)
    return _joined(_distinct(of_text), _distinct(of_key))


def statistics_of(entries: Entries, name: str) -> Statistics:
    """Put the names together again, in no order. Raises OmopsqlError when a piece is missing."""
    identity = _identities(entries.parent, entries.first, entries.second)
    order = np.argsort(identity, kind="stable")
    place = np.minimum(np.searchsorted(identity[order], entries.parent), len(order) - 1)
    before = order[place] if len(order) else np.zeros(0, np.int64)
    before[identity[before] != entries.parent] = -1
    tag = (entries.second & np.uint64(0xFF)).astype(np.uint8)
    if ((before < 0) & (entries.parent != 0)).any():
        raise OmopsqlError(f"{name} is damaged: a piece of a name is missing; ask for it again")
    leaves = np.flatnonzero((tag & (_TEXT | _END)) == _END)
    bounds, content, root = _unchained(leaves, before, tag, entries.first, entries.second)
    texts = np.unique(root)
    text_bounds, letters, _ = _unchained(texts, before, tag, entries.first, entries.second)
    named = pa.Array.from_buffers(
        pa.large_binary(), len(texts), [None, pa.py_buffer(text_bounds), pa.py_buffer(letters)]
    )
    text = named.cast(pa.large_string()).cast(pa.string()).take(pa.array(np.searchsorted(texts, root)))
    lengths, values = _unpacked(bounds, content)
    key = pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32()), pa.array(values))
    return Statistics(text, key, entries.n[leaves])


def _lists(key: pa.ListArray) -> tuple[Ints, Ints]:
    """Where each list begins (and the last ends) among all numbers, and the numbers."""
    offsets = key.offsets.to_numpy().astype(np.int64)
    values = key.values.to_numpy(zero_copy_only=False).astype(np.int64)
    return offsets, values


def _distinct(entries: Entries) -> Entries:
    """Entries without those that stand there already: shared beginnings."""
    _, first = np.unique(_identities(entries.parent, entries.first, entries.second), return_index=True)
    return Entries(entries.parent[first], entries.first[first], entries.second[first], entries.n[first])


def _joined(one: Entries, two: Entries) -> Entries:
    columns = ("parent", "first", "second", "n")
    return Entries(*(np.concatenate([getattr(one, column), getattr(two, column)]) for column in columns))


def _chains(bounds: Ints, content: Bytes, roots: Words, n: Ints, kind: int) -> tuple[Words, Entries]:
    """Cut each name's bytes into entries after its root; return the last entry of each, and all of them."""
    pieces = np.maximum(-(-np.diff(bounds) // _PIECE), 1)
    starts = np.concatenate([[0], np.cumsum(pieces)])
    parent, first, second = (np.empty(starts[-1], np.uint64) for _ in range(3))
    sums = np.zeros(starts[-1], np.int64)
    ends = np.empty(len(roots), np.uint64)
    _chain(bounds, content, roots, n, kind, starts, parent, first, second, sums, ends)
    return ends, Entries(parent, first, second, sums)


@njit(nogil=True, cache=True)
def _chain(bounds, content, roots, n, kind, starts, parent, first, second, sums, ends):
    for i in range(roots.size):
        before = roots[i]
        for e in range(starts[i], starts[i + 1]):
            begin = bounds[i] + (e - starts[i]) * _PIECE
            length = min(bounds[i + 1] - begin, _PIECE)
            one, two = np.uint64(0), np.uint64(0)
            for b in range(_PIECE):
                byte = np.uint64(content[begin + b]) if b < length else np.uint64(0)
                if b < _WORD:
                    one = (one << _BYTE) | byte
                else:
                    two = (two << _BYTE) | byte
            tag = kind | length
            if e + 1 == starts[i + 1]:
                tag |= _END
                sums[e] = n[i]
            two = (two << _BYTE) | np.uint64(tag)
            parent[e], first[e], second[e] = before, one, two
            before = entry_id(before, one, two)
        ends[i] = before


@njit(nogil=True, cache=True)
def _identities(parent, first, second):
    found = np.empty(parent.size, np.uint64)
    for i in range(parent.size):
        found[i] = entry_id(parent[i], first[i], second[i])
    return found


@njit(nogil=True, cache=True)
def _unchained(leaves, before, tag, first, second):
    """The bytes of the names that end in ``leaves``, and the entry of another kind that each stands on (-1: none)."""
    bounds = np.zeros(leaves.size + 1, np.int64)
    root = np.empty(leaves.size, np.int64)
    for i in range(leaves.size):
        e = leaves[i]
        length = np.int64(0)
        kind = tag[e] & _TEXT
        while e >= 0 and (tag[e] & _TEXT) == kind:
            length += tag[e] & _LENGTH
            e = before[e]
        bounds[i + 1] = bounds[i] + length
        root[i] = e
    content = np.empty(bounds[-1], np.uint8)
    for i in range(leaves.size):
        e, end = leaves[i], bounds[i + 1]
        while end > bounds[i]:
            length = np.int64(tag[e] & _LENGTH)
            for b in range(length):
                word, shift = (first[e], _WORD - 1 - b) if b < _WORD else (second[e], _PIECE - b)
                content[end - length + b] = np.uint8((word >> np.uint64(8 * shift)) & np.uint64(0xFF))
            end -= length
            e = before[e]
    return bounds, content, root


@njit(nogil=True, cache=True)
def _packed(offsets, values):
    """Lists of whole numbers as bytes: seven bits a byte, the sign first (zigzag)."""
    bounds = np.zeros(offsets.size, np.int64)
    content = np.empty(10 * (offsets[-1] - offsets[0]), np.uint8)
    at = 0
    for i in range(offsets.size - 1):
        for v in range(offsets[i], offsets[i + 1]):
            word = np.uint64((values[v] << 1) ^ (values[v] >> 63))
            while word > _LOW:
                content[at] = np.uint8((word & _LOW) | _MORE)
                word >>= _SEVEN
                at += 1
            content[at] = np.uint8(word)
            at += 1
        bounds[i + 1] = at
    return bounds, content[:at]


@njit(nogil=True, cache=True)
def _unpacked(bounds, content):
    """How many numbers each name holds, and the numbers."""
    lengths = np.zeros(bounds.size - 1, np.int64)
    values = np.empty(content.size, np.int64)
    found = 0
    for i in range(lengths.size):
        word, shift = np.uint64(0), np.uint64(0)
        for b in range(bounds[i], bounds[i + 1]):
            word |= np.uint64(content[b] & 0x7F) << shift
            shift += _SEVEN
            if content[b] < 0x80:
                values[found] = np.int64(word >> np.uint64(1)) ^ -np.int64(word & np.uint64(1))
                found += 1
                lengths[i] += 1
                word, shift = np.uint64(0), np.uint64(0)
    return lengths, values[:found]
