"""What is known of a hospital: sums of persons, in one long table that can be added to another hospital's.

A row says how many persons (``n``) fall into one cell (``key``, whole numbers, and sometimes ``label``) of one
statistic. Sums hold each cell once, in the order of statistic, key and label, so equal sums are equal tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

import omopsql
from omopsql.errors import OmopsqlError

FORMAT = 1
HEADER = "hospital"
SCHEMA = pa.schema(
    [
        ("statistic", pa.string()),
        ("key", pa.list_(pa.int64())),
        ("label", pa.string()),
        ("n", pa.int64()),
    ]
)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Counted:
    """The cells of one statistic: ``keys`` (cells, width), ``labels`` (a text each, or None), and persons ``n``."""

    keys: Ints
    n: Ints
    labels: pa.Array | None = None

    @classmethod
    def summed(cls, keys: Ints, n: Ints, labels: pa.Array | None = None) -> Counted:
        """Add up the rows of equal key and label, and sort them."""
        columns = list(keys.T)
        if labels is not None:
            columns.append(_ranks(labels))
        order = sorted_order(columns, len(n))
        starts = group_starts([column[order] for column in columns], len(n))
        first = order[starts]
        added = np.add.reduceat(n[order], starts) if len(starts) else np.zeros(0, np.int64)
        return cls(keys[first], added, None if labels is None else labels.take(pa.array(first)))

    def __len__(self) -> int:
        return len(self.n)

    @property
    def width(self) -> int:
        """How many numbers a key has."""
        return int(self.keys.shape[1])


class Sums:
    """Statistics by name. What is put under a name that is there already is added to it."""

    def __init__(self) -> None:
        self._counted: dict[str, Counted] = {}

    def put(self, statistic: str, keys: npt.ArrayLike, n: npt.ArrayLike, labels: pa.Array | None = None) -> None:
        """Add cells: ``keys`` (cells, width), ``n`` (cells), and a text for each cell if there are any.

        Raises ValueError when the shapes do not fit each other or what is there already.
        """
        persons = np.asarray(n, np.int64)
        cells = np.asarray(keys, np.int64)
        cells = cells.reshape(len(persons), -1) if cells.size else cells.reshape(len(persons), cells.shape[-1])
        if labels is not None:
            labels = _plain(labels)
        self._counted[statistic] = _added(statistic, [*self._found(statistic), Counted(cells, persons, labels)])

    def get(self, statistic: str, width: int) -> tuple[Ints, Ints]:
        """Return the keys (cells, width) and persons (cells) of a statistic; no cells when it is absent.

        Raises OmopsqlError when its keys have another width.
        """
        counted = self._counted.get(statistic)
        if counted is None or not len(counted):
            return np.zeros((0, width), np.int64), np.zeros(0, np.int64)
        if counted.width != width:
            raise OmopsqlError(
                f"the model is damaged: the keys of statistic {statistic!r} have {counted.width} numbers, not {width}; "
                "fit it again"
            )
        return counted.keys, counted.n

    def labels(self, statistic: str) -> list[str | None]:
        """Return the text of each cell of a statistic, in the order of ``get``."""
        counted = self._counted.get(statistic)
        if counted is None:
            return []
        return [None] * len(counted) if counted.labels is None else counted.labels.to_pylist()

    def __contains__(self, statistic: str) -> bool:
        return statistic in self._counted

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._counted))

    def counted(self, statistic: str) -> Counted:
        """Return the cells of a statistic that is there."""
        return self._counted[statistic]

    def only(self, statistics: Iterable[str]) -> Sums:
        """Return some of the statistics: those that are there."""
        chosen = Sums()
        chosen._counted = {name: self._counted[name] for name in statistics if name in self._counted}
        return chosen

    def drop(self, statistic: str) -> None:
        """Take a statistic out, if it is there."""
        self._counted.pop(statistic, None)

    def _found(self, statistic: str) -> list[Counted]:
        return [self._counted[statistic]] if statistic in self._counted else []

    @classmethod
    def merged(cls, parts: Iterable[Sums]) -> Sums:
        """Add up the sums of several hospitals, or of several layers of one. The order of the parts does not matter."""
        by_name: dict[str, list[Counted]] = {}
        for part in parts:
            for statistic, counted in part._counted.items():
                by_name.setdefault(statistic, []).append(counted)
        whole = cls()
        whole._counted = {statistic: _added(statistic, found) for statistic, found in by_name.items()}
        return whole

    def to_table(self) -> pa.Table:
        """Write the sums as a table of ``SCHEMA``, sorted by statistic, key and label."""
        pieces = [_written(statistic, self._counted[statistic]) for statistic in self]
        return pa.concat_tables([SCHEMA.empty_table(), *pieces]).combine_chunks()

    @classmethod
    def from_table(cls, table: pa.Table, name: str) -> Sums:
        """Read sums back. Raises OmopsqlError when the table called ``name`` holds none."""
        if set(SCHEMA.names) - set(table.column_names):
            raise OmopsqlError(f"{name} is no model of a hospital: make one with FROM omopsql.cdm_fit(...)")
        table = table.select(SCHEMA.names).cast(SCHEMA).combine_chunks()
        if any(table[column].null_count for column in ("statistic", "key", "n")):
            raise OmopsqlError(f"{name} is a damaged model: a row has no statistic, key or n; fit it again")
        table = table.take(pc.sort_indices(table, sort_keys=[("statistic", "ascending")])).combine_chunks()
        read = cls()
        for run in pc.run_end_encode(table["statistic"]).chunks:
            start = 0
            for statistic, end in zip(run.values.to_pylist(), run.run_ends.to_pylist(), strict=True):
                read._counted[statistic] = _read(statistic, table.slice(start, end - start), name)
                start = end
        return read


def _added(statistic: str, parts: list[Counted]) -> Counted:
    """Concatenate the cells of one statistic and add up the equal ones."""
    widths = {part.width for part in parts if len(part)}
    if len(widths) > 1:
        raise ValueError(f"statistic {statistic!r} has keys of {' and '.join(map(str, sorted(widths)))} numbers")
    held = [part for part in parts if len(part)] or parts[:1]
    labels = None
    if any(part.labels is not None for part in held):
        texts = [pa.nulls(len(part), pa.string()) if part.labels is None else part.labels for part in held]
        labels = pa.concat_arrays(texts)
    return Counted.summed(
        np.concatenate([part.keys for part in held]), np.concatenate([part.n for part in held]), labels
    )


def _plain(labels: pa.Array) -> pa.Array:
    combined = labels.combine_chunks() if isinstance(labels, pa.ChunkedArray) else labels
    return combined.cast(pa.string())


def _written(statistic: str, counted: Counted) -> pa.Table:
    rows, width = len(counted), counted.width
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    keys = pa.ListArray.from_arrays(offsets, np.ascontiguousarray(counted.keys).reshape(-1))
    labels = pa.nulls(rows, pa.string()) if counted.labels is None else counted.labels
    names = pa.repeat(pa.scalar(statistic, pa.string()), rows)
    return pa.table([names, keys, labels, counted.n], schema=SCHEMA)


def _read(statistic: str, rows: pa.Table, name: str) -> Counted:
    keys = rows["key"].combine_chunks()
    widths = np.unique(pc.list_value_length(keys).to_numpy(zero_copy_only=False))
    if len(widths) > 1:
        raise OmopsqlError(f"{name} is a damaged model: keys of statistic {statistic!r} differ in width; fit it again")
    flat = keys.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    labels = rows["label"].combine_chunks()
    n = rows["n"].to_numpy().astype(np.int64)
    has_labels = labels.null_count < len(labels)
    return Counted.summed(flat.reshape(len(n), int(widths[0])), n, labels if has_labels else None)


def sorted_order(columns: list[npt.NDArray[np.int64]], rows: int) -> npt.NDArray[np.int64]:
    """Return the stable order of rows by several columns, the first column first."""
    if not columns:
        return np.arange(rows)
    packed = _packed(columns) if rows else columns[0]
    if packed is None:
        return np.lexsort(columns[::-1])
    if rows and np.all(packed[1:] >= packed[:-1]):
        return np.arange(rows)
    return np.argsort(packed, kind="stable")


def group_starts(columns: list[npt.NDArray[np.int64]], rows: int) -> npt.NDArray[np.int64]:
    """Return where in sorted rows each group of equal rows begins."""
    begins = np.zeros(rows, bool)
    begins[:1] = True
    for column in columns:
        begins[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(begins)


def _packed(columns: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64] | None:
    """Put the columns into one number that sorts as they do; None when 63 bits do not suffice."""
    lows = [int(column.min()) for column in columns]
    spans = [int(column.max()) - low + 1 for column, low in zip(columns, lows, strict=True)]
    if np.prod([float(span) for span in spans]) >= 2.0**62:
        return None
    packed = np.zeros(len(columns[0]), np.int64)
    for column, low, span in zip(columns, lows, spans, strict=True):
        packed = packed * span + (column.astype(np.int64) - low)
    return packed


def _ranks(labels: pa.Array) -> Ints:
    """The place of each text among all texts; a missing one comes first."""
    coded = labels.dictionary_encode()
    texts = coded.dictionary.to_pylist()
    rank = np.zeros(len(texts) + 1, np.int64)
    rank[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(1, len(texts) + 1)
    return rank[pc.fill_null(coded.indices, len(texts)).to_numpy(zero_copy_only=False)]


@dataclass(frozen=True)
class Header:
    """What a file of sums is: its round, whether small cells are still in it (private), and how it was made.

    ``persons`` is the number of persons; ``margins`` names the margins (a hash) that the second round was fitted on;
    ``policy`` is the SHA-256 of the policy that it was fitted under. With noise, ``epsilon`` and ``delta`` say how much
    it hides, ``most_concepts`` how many of a person's concepts count, and ``persons`` is a noisy number. What there is
    none of is not written.
    """

    persons: int
    cdm_version: str
    min_cell: int
    private: bool
    round: int
    margins: str | None = None
    epsilon: float | None = None
    delta: float | None = None
    most_concepts: int | None = None
    format: int = FORMAT
    omopsql: str = omopsql.__version__
    policy: str | None = None

    def sums(self) -> Sums:
        """Write the header as its row."""
        told = {key: value for key, value in asdict(self).items() if key != "persons"}
        for name in ("policy", "epsilon", "delta", "most_concepts"):
            if told[name] is None:
                del told[name]
        row = Sums()
        row.put(HEADER, np.zeros((1, 0)), [self.persons], pa.array([json.dumps(told, sort_keys=True)]))
        return row

    @classmethod
    def of(cls, sums: Sums, name: str) -> Header:
        """Read the header of sums. Raises OmopsqlError when ``name`` has none or is of another format."""
        labels = sums.labels(HEADER)
        if len(labels) != 1:
            raise OmopsqlError(f"{name} is no model of a hospital: it has {len(labels)} rows of statistic 'hospital'")
        told = json.loads(labels[0] or "{}")
        if told.get("format") != FORMAT:
            raise OmopsqlError(
                f"{name} was made by omopsql {told.get('omopsql')} in format {told.get('format')}; this is omopsql "
                f"{omopsql.__version__}, which reads format {FORMAT}: fit it again"
            )
        known = {field: told[field] for field in cls.__dataclass_fields__ if field in told}
        return cls(persons=int(sums.counted(HEADER).n[0]), **known)
