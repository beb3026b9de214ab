"""A hospital's model in words, number by number, for the person who must answer for its release.

``statistics.csv`` says of each statistic what the persons of one row have in common. A field in braces stands for the
next number of the key: ``{table}`` and ``{concept}``, ``{item}`` (a place in the model's items), ``{years}`` (told in
days), ``{day}`` (since 1970-01-01), any ``{number}``; ``{label}`` for the text beside the key.
"""

from __future__ import annotations

import csv
import io
import re
from functools import cache

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.errors import OmopsqlError
from omopsql.harmonize.current_vocabulary import folder_in_use
from omopsql.sql_files import sql_folder

from .plan import TABLES, Items
from .sums import HEADER, Counted, Header, Ints, Sums

SCHEMA = pa.schema(
    [("statistic", pa.string()), ("subject", pa.string()), ("words", pa.string()), ("n", pa.int64())],
)

_FIELD = re.compile(r"\{(\w+)\}")
_DAYS_A_YEAR = 365.25


@cache
def words() -> dict[str, str]:
    """Return what each statistic counts, with fields for the numbers of a key."""
    text = sql_folder("synth").joinpath("hospital", "statistics.csv").read_text(encoding="utf-8")
    return {row["statistic"]: row["words"] for row in csv.DictReader(io.StringIO(text))}


class _Names:
    """The names of concepts, from the vocabulary in use; their numbers where there is none."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, items: Items) -> None:
        self.items = items
        try:
            folder_in_use(cursor)
        except OmopsqlError:
            self._cursor = None
        else:
            self._cursor = cursor

    def of(self, concepts: Ints) -> pa.Array:
        """``201826 Type 2 diabetes mellitus`` for each concept."""
        distinct, place = np.unique(concepts, return_inverse=True)
        texts = pa.array(distinct).cast(pa.string())
        if self._cursor is not None:
            texts = self._named(distinct)
        return texts.take(pa.array(place.reshape(-1)))

    def _named(self, concepts: Ints) -> pa.Array:
        assert self._cursor is not None
        found = self._cursor.execute(
            "SELECT concat_ws(' ', wanted.concept_id, concept_name) "
            "FROM (SELECT unnest($1::BIGINT[]) AS concept_id) AS wanted "
            "LEFT JOIN omopsql.vocabulary.concept AS named ON named.concept_id = wanted.concept_id "
            "ORDER BY wanted.concept_id",
            [concepts.tolist()],
        ).fetchall()
        return pa.array([text for (text,) in found], pa.string())


def described(cursor: duckdb.DuckDBPyConnection, sums: Sums, name: str) -> pa.Table:
    """Say what each row of a model counts. Returns a table of ``SCHEMA``: the header first, then by statistic."""
    header = Header.of(sums, name)
    names = _Names(cursor, Items.of(sums))
    lines = [_rows(HEADER, pa.array(["the hospital"]), pa.array([_header_words(header)]), [header.persons])]
    for statistic in sums:
        if statistic != HEADER:
            counted = sums.counted(statistic)
            lines.append(
                _rows(
                    statistic,
                    *_in_words(counted, words().get(statistic, "fall into one cell: {label}"), names),
                    counted.n,
                )
            )
    return pa.concat_tables([SCHEMA.empty_table(), *lines]).combine_chunks()


def _rows(statistic: str, subject: pa.Array, words: pa.Array, n: Ints | list[int]) -> pa.Table:
    named = pa.repeat(pa.scalar(statistic, pa.string()), len(words))
    return pa.table([named, subject.cast(pa.string()), words, pa.array(n, pa.int64())], schema=SCHEMA)


def _header_words(header: Header) -> str:
    whole = "a second round" if header.private and header.epsilon is not None else "a model"
    what = "the margins of a first round" if header.round == 1 else whole
    told = f"{what} of {header.persons} persons, CDM {header.cdm_version}, made by omopsql {header.omopsql}; "
    if header.epsilon is None:
        told += f"min_cell is {header.min_cell}; "
    if header.policy is not None:
        told += f"learned under the policy with sha256 {header.policy}; "
    if header.epsilon is not None:
        return told + (
            f"noise hides any one person, with epsilon {header.epsilon:g} at delta {header.delta:g}; every number is "
            "noisy, as privacy_ledger lists"
        )
    if header.private:
        return told + "exact sums with small cells in them: private, for addition only"
    return told + f"no number of persons is below {header.min_cell}; no noise was added"


def _in_words(counted: Counted, template: str, names: _Names) -> tuple[pa.Array, pa.Array]:
    """The subject and the words of each cell of a statistic."""
    rows, keys = len(counted), counted.keys
    if keys.shape[1] and len(_FIELD.findall(template.replace("{label}", ""))) == keys.shape[1] + 1:
        keys = np.column_stack([keys, keys[:, -1]])  # an exact sum has one bin where a model has the first and last
    pieces: list[pa.Array] = []
    subject = pa.nulls(rows, pa.string())
    position, end = 0, 0
    for field in _FIELD.finditer(template):
        pieces.append(_constant(template[end : field.start()], rows))
        end = field.end()
        if field[1] == "label":
            pieces.append(pc.fill_null(_labels(counted), ""))
            continue
        pieces.append(_field(field[1], keys[:, position], names))
        if field[1] in ("concept", "item") and subject.null_count == rows:
            subject = pieces[-1]
        position += 1
    pieces.append(_constant(template[end:], rows))
    pieces.append(_left_over(keys[:, position:]))
    return subject, pc.binary_join_element_wise(*pieces, "")


def _labels(counted: Counted) -> pa.Array:
    return pa.nulls(len(counted), pa.string()) if counted.labels is None else counted.labels


def _left_over(keys: Ints) -> pa.Array:
    """The numbers of the keys that no words stand for."""
    rows, width = keys.shape
    if not width:
        return _constant("", rows)
    numbers = [pa.array(np.ascontiguousarray(column)).cast(pa.string()) for column in keys.T]
    joined = pc.binary_join_element_wise(*numbers, ", ")
    return pc.binary_join_element_wise(_constant(" (key ", rows), joined, _constant(")", rows), "")


def _constant(text: str, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), rows)


def _field(kind: str, numbers: Ints, names: _Names) -> pa.Array:
    """The numbers of one place of the keys, as text."""
    if kind == "concept":
        return names.of(numbers)
    if kind == "table":
        return pa.array(TABLES, pa.string()).take(pa.array(np.clip(numbers, 0, len(TABLES) - 1)))
    if kind == "item":
        return _item(numbers, names)
    if kind == "years":
        return pa.array(np.round(numbers / _DAYS_A_YEAR, 2)).cast(pa.string())
    if kind == "day":
        return pa.array(numbers.astype(np.int32)).view(pa.date32()).cast(pa.string())
    return pa.array(np.ascontiguousarray(numbers)).cast(pa.string())


def _item(places: Ints, names: _Names) -> pa.Array:
    """``condition_occurrence of 201826`` for places in the model's items."""
    items, known = names.items, (places >= 0) & (places < len(names.items))
    place = np.where(known, places, 0)
    told = pc.binary_join_element_wise(
        _field("table", items.table[place].astype(np.int64), names), names.of(items.concept[place]), " of "
    )
    return pc.if_else(pa.array(known), told, pa.array(np.ascontiguousarray(places)).cast(pa.string()))
