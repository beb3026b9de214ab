"""The tables of a synthetic hospital as queries: their rows are made person by person, when a query asks for them.

A query reads the persons' numbers and asks for the rows of each, so a filter on ``person_id`` leaves only those persons
to be made.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

import duckdb
import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.harmonize import cdm
from omopsql.harmonize.current_vocabulary import SCHEMA as VOCABULARY
from omopsql.harmonize.derive import derived_sql
from omopsql.quoting import identifier
from omopsql.session import CATALOG
from omopsql.synth.digest import digest
from omopsql.synth.listed import read_table
from omopsql.transport import persons as transport

from . import tables
from .generate import Hospital
from .given import MOST_PERSONS, Wishes
from .lives import Int64s, Lives

ERAS = {"condition_era": "condition_occurrence", "drug_era": "drug_exposure", "dose_era": "drug_exposure"}
ERAS_OF_DRUGS = {"drug_era": ("concept", "concept_ancestor"), "dose_era": ("drug_strength",)}  # what they look up
_DRUGS_OF_RECORDS = "SELECT DISTINCT drug_concept_id FROM drug_exposure WHERE drug_concept_id <> 0"
WITHOUT_PERSONS = ("location", "care_site", "provider", "cdm_source", "metadata")
_ERA_KEYS = 1_000_000  # of a person
_RECENT = 8  # hospitals
_MOST_BYTES = 256 << 20  # of lives that are kept
_PERSON = "person_id"


@dataclass(frozen=True)
class Synthetic:
    """A synthetic hospital of so many persons: the model, and the seed and wishes that its persons are made by."""

    hospital: Hospital
    digest: str
    persons: int
    seed: int
    wishes: Wishes

    def __post_init__(self) -> None:
        if not 0 <= self.persons < MOST_PERSONS:
            raise OmopsqlError(f"persons is {self.persons}; give 0 to {MOST_PERSONS - 1}")

    @property
    def told(self) -> tuple[str, int, str]:
        """All that a person of some number depends on."""
        return self.digest, self.seed, self.wishes.told

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """The tables that the model makes, in the order of the CDM."""
        made = set(tables.made(self.hospital))
        made |= {era for era, records in ERAS.items() if records in made}
        return tuple(name for name in cdm.tables(self.hospital.version) if name in made)

    def lives(self, numbers: Int64s) -> Lives:
        """Make persons who fit the wishes."""
        return self.wishes.lives(self.hospital, self.seed, numbers)

    def rendered(self, name: str, lives: Lives) -> pa.Table:
        """Write the rows of lives in a table that is not derived from others."""
        return tables.render(name, lives, self.hospital)

    def rows(self, name: str, numbers: Int64s) -> pa.Table:
        """Make the rows of some persons in such a table."""
        return self.rendered(name, self.lives(numbers))

    def listed(self) -> pa.Table:
        """The tables, how many columns each has, and whether it is derived from another."""
        columns = [len(cdm.table(self.hospital.version, name)) for name in self.tables]
        derived = [name in ERAS for name in self.tables]
        return pa.table({"cdm_table": list(self.tables), "columns": columns, "is_derived": derived})

    def check(self, name: str) -> None:
        """Raise OmopsqlError when the model makes no table of that name."""
        if name in self.tables:
            return
        told = f"it makes {', '.join(self.tables)}"
        if name not in cdm.tables(self.hospital.version):
            raise OmopsqlError(f"{name!r} is no table of CDM {self.hospital.version}; {told}")
        raise OmopsqlError(f"the model makes no {name}, for its source had none; {told}")


class _RecentLives:
    """The lives that were made last, for queries of other tables that ask for the same persons."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lives: OrderedDict[bytes, Lives] = OrderedDict()
        self._changing = threading.Lock()  # several threads of a query ask

    def of(self, synthetic: Synthetic, numbers: Int64s) -> Lives:
        """The lives of persons: kept ones, or made now."""
        key = hashlib.sha256(repr(synthetic.told).encode() + numbers.tobytes()).digest()
        with self._changing:
            if key in self._lives:
                self._lives.move_to_end(key)
                return self._lives[key]
        made = synthetic.lives(numbers)
        with self._changing:
            if key not in self._lives:
                self._lives[key] = made
                self._bytes += _bytes_of(made)
            while self._bytes > self._most_bytes:
                self._bytes -= _bytes_of(self._lives.popitem(last=False)[1])
        return made


def _bytes_of(lives: Lives) -> int:
    layers = (lives.people, lives.events, lives.visits, lives.values)
    arrays = [array for layer in layers if layer is not None for array in vars(layer).values()]
    observed = lives.observed
    arrays += [lives.numbers, observed.offsets, observed.start, observed.end]
    return sum(array.nbytes for array in arrays)


_recent_lives = _RecentLives(_MOST_BYTES)


@dataclass(frozen=True)
class _Served:
    """The rows of one table, for the functions that a query calls."""

    synthetic: Synthetic
    table: str

    def rows(self, numbers: Int64s) -> transport.Rows:
        made = self.synthetic.rendered(self.table, _recent_lives.of(self.synthetic, numbers))
        if self.table in WITHOUT_PERSONS:
            return transport.Rows(np.array([0, len(made)]), made)
        bounds = np.append(numbers, numbers[-1] + 1)
        return transport.Rows(np.searchsorted(tables.persons(self.table, made, self.synthetic.hospital), bounds), made)

    @property
    def handle(self) -> int:
        """A number that names the rows by all that they depend on."""
        told = repr((self.table, *self.synthetic.told))
        return int.from_bytes(hashlib.sha256(told.encode()).digest()[:8], "little") >> 1


def table_sql(synthetic: Synthetic, name: str) -> str:
    """Write the query of a table. Raises OmopsqlError when the model makes no such table."""
    synthetic.check(name)
    if name in ERAS:
        return _era_sql(synthetic, name)
    served = _Served(synthetic, name)
    transport.keep(served.handle, served)
    schema = served.rows(np.ones(1, np.int64)).table.schema
    lists = [
        f"unnest({transport.column_sql(served.handle, i, column.type, _PERSON)}) AS {identifier(column.name)}"
        for i, column in enumerate(schema)
        if column.name != _PERSON
    ]
    columns = ", ".join(identifier(column) for column in schema.names)
    numbers = "range(1)" if name in WITHOUT_PERSONS else f"range(1, {synthetic.persons + 1})"
    return f"SELECT {columns} FROM (SELECT {_PERSON}, {', '.join(lists)} FROM {numbers} AS persons ({_PERSON}))"


def _era_sql(synthetic: Synthetic, name: str) -> str:
    """Write the query of an era table over the records that are sampled and the vocabulary in use."""
    inputs = {ERAS[name]: table_sql(synthetic, ERAS[name])}
    if name in ERAS_OF_DRUGS:
        inputs |= {read: f"FROM {identifier(CATALOG, VOCABULARY, read)}" for read in ERAS_OF_DRUGS[name]}
    items = synthetic.hospital.items
    drugs = items.concept[items.of_table("drug_exposure")].tolist()
    inputs["model_drug"] = f"SELECT unnest(CAST({drugs} AS BIGINT[])) AS drug_concept_id"
    named = ", ".join(f"{identifier(read)} AS NOT MATERIALIZED ({sql})" for read, sql in inputs.items())
    # The model knows its drugs. To look for them among the records would make every person, whatever filter there is.
    return f"WITH {named} FROM ({era_sql(name).replace(_DRUGS_OF_RECORDS, 'FROM model_drug')})"


def era_sql(name: str) -> str:
    """Write the SELECT of an era table over the tables that it reads. Keys depend on the person alone."""
    return re.sub(
        r"row_number\(\) OVER \(\s*ORDER BY person_id, ",
        f"person_id * {_ERA_KEYS} + row_number() OVER (PARTITION BY person_id ORDER BY ",
        derived_sql(name),
    )


_compiled: OrderedDict[str, Hospital] = OrderedDict()


def open_hospital(cursor: duckdb.DuckDBPyConnection, model: str) -> tuple[Hospital, str]:
    """Read a model, the name of its table or its Parquet file, and compile it once in a process.

    Returns it with a digest of the model. Raises OmopsqlError when it is none, or private.
    """
    table = read_table(cursor, model)
    told = digest(table)
    if told not in _compiled:
        _compiled[told] = Hospital(table, model)
        while len(_compiled) > _RECENT:
            _compiled.popitem(last=False)
    return _compiled[told], told
