"""A hospital of the tests and the one that is made of what was learned from it; and what holds of both of any kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

import duckdb
import hospital_cdm as made
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import omopsql
from omopsql.quoting import literal
from omopsql.synth.hospital import tables
from omopsql.synth.hospital.describe import described
from omopsql.synth.hospital.fit import COUNTED_BY, RULES, fit, released
from omopsql.synth.hospital.generate import Hospital
from omopsql.synth.hospital.noise.fit import Protection, fit_with_noise
from omopsql.synth.hospital.sums import HEADER, Header, Sums

LEAST_SHARED = 10  # persons of a released cell

Add = Callable[[duckdb.DuckDBPyConnection, str], None]  # adds tables to a schema with a hospital


class Twins:
    """A hospital, in schema ``cdm`` of ``source``, and ``persons`` synthetic persons that are made of its model."""

    def __init__(self, source: duckdb.DuckDBPyConnection, persons: int, seed: int) -> None:
        self.source, self.persons, self.seed = source, persons, seed

    @cached_property
    def model(self) -> pa.Table:
        """What was learned of the source."""
        return fit(self.source.cursor(), "cdm")[0]

    @cached_property
    def hospital(self) -> Hospital:
        """The model, compiled."""
        return Hospital(self.model)

    @cached_property
    def synthetic(self) -> dict[str, pa.Table]:
        """All synthetic tables."""
        return self.made(range(1, self.persons + 1))

    @cached_property
    def con(self) -> duckdb.DuckDBPyConnection:
        """A database with both: schemas ``cdm`` and ``made``."""
        found = self.source.cursor()
        found.execute("CREATE SCHEMA made")
        for name, rows in self.synthetic.items():
            found.register("rows_made", rows)
            found.execute(f"CREATE TABLE made.{name} AS FROM rows_made")
        return found

    def made(self, numbers: Iterable[int]) -> dict[str, pa.Table]:
        """All tables of the synthetic persons of these numbers."""
        lives = self.hospital.lives(self.seed, np.array(sorted(numbers), np.int64))
        return {name: tables.render(name, lives, self.hospital) for name in tables.made(self.hospital)}

    def columns(self, sql: str) -> tuple[np.ndarray, np.ndarray]:
        """The one column of a query of schema ``{}``, as numbers: of the source, and of what was made."""
        one, other = (np.array([value for (value,) in rows], np.float64) for rows in self._rows(sql))
        return one, other

    def by_key(self, sql: str) -> tuple[dict[tuple[int, ...], float], dict[tuple[int, ...], float]]:
        """The last column of a query by those before, as numbers: of the source, and of what was made."""
        one, other = ({tuple(key): float(value) for *key, value in rows} for rows in self._rows(sql))
        return one, other

    def shares(self, sql: str) -> tuple[dict[object, float], dict[object, float]]:
        """The share that the last column of a query has, by the first: of the source, and of what was made."""
        one, other = ({key: n / sum(m for _, m in rows) for key, n in rows} for rows in self._rows(sql))
        return one, other

    def _rows(self, sql: str) -> list[list[tuple]]:  # type: ignore[type-arg]
        return [self.con.execute(sql.format(schema)).fetchall() for schema in ("cdm", "made")]

    def same_alone(self, numbers: Iterable[int], names: Iterable[str]) -> dict[str, pa.Table]:
        """Whether these persons have the same rows of some tables alone as among all; return the rows."""
        alone = {name: rows for name, rows in self.made(numbers).items() if name in {*names}}
        for name, rows in alone.items():
            own = np.isin(tables.persons(name, self.synthetic[name], self.hospital), [*numbers])
            assert rows.equals(self.synthetic[name].filter(pa.array(own)).combine_chunks()), name
        return alone

    def newly_failed(self, folder: Path) -> list[tuple[str, str, str]]:
        """The checks that the synthetic CDM fails and the source does not: name, table and field."""
        made.write_hospital(self.source, "cdm", folder / "real")
        (folder / "made").mkdir()
        for name, rows in self.synthetic.items():
            pq.write_table(rows, folder / "made" / f"{name}.parquet")
        with omopsql.connect() as con:
            return con.execute(
                f"""
                SELECT made.checkName, lower(made.cdmTableName), made.cdmFieldName
                FROM omopsql.check_cdm({literal(str(folder / "made"))}) AS made
                JOIN omopsql.check_cdm({literal(str(folder / "real"))}) AS real USING (checkId)
                WHERE made.failed = 1 AND real.failed = 0
                """
            ).fetchall()

    def released_in_words(self, layer: str) -> set[str]:
        """Whether no cell of a layer is small, and each is told in words, without holes; return the statistics."""
        found = [row for row in self.model.to_pylist() if row["statistic"].startswith(f"{layer}.")]
        assert min(row["n"] for row in found if RULES[row["statistic"]].counts_persons) >= LEAST_SHARED
        told = described(self.source.cursor(), Sums.from_table(self.model, "m"), "m").to_pylist()
        said = [row for row in told if row["statistic"].startswith(f"{layer}.")]
        for row, own in zip(found, said, strict=True):
            assert row["statistic"] == own["statistic"]
            label = row["label"] or ""
            assert label in own["words"]
            words = own["words"].replace(label, "") if label else own["words"]
            assert words
            assert "key" not in words, own
            assert "{" not in words, own
        return {row["statistic"] for row in found}


def of_layer(model: pa.Table, *layers: str) -> list[str]:
    """The statistics of some layers in a model."""
    names = sorted({*model["statistic"].to_pylist()})
    return [name for name in names if name.split(".")[0] in layers]


def bare(table: pa.Table) -> Sums:
    """Sums without what tells where they are from."""
    sums = Sums.from_table(table, "a part")
    sums.drop(HEADER)
    return sums


def second_rounds(con: duckdb.DuckDBPyConnection, sites: Sequence[str], persons: int) -> list[pa.Table]:
    """Count sites of so many persons in all in two rounds; return the exact sums of the second, the last site first."""
    first = [fit(con.cursor(), name, for_merge=True, margins_only=True)[0] for name in sites]
    margins = Sums.merged([*map(bare, first), Header(persons, "5.4", 10, private=True, round=1).sums()])
    return [fit(con.cursor(), name, for_merge=True, margins=margins)[0] for name in reversed(sites)]


def halves_add_up(*adds: Add) -> Sums:
    """Whether two parts of a hospital add up to what is counted and released of the whole; return its exact sums."""
    with omopsql.connect() as con:
        for name, persons, first in (("a", 250, 1), ("b", 350, 251), ("whole", 600, 1)):
            made.make_hospital(con, name, persons, first)
            for add in adds:
                add(con, name)
        merged = Sums.merged(map(bare, second_rounds(con, "ab", 600)))
        pooled = bare(fit(con.cursor(), "whole", for_merge=True)[0])
        assert merged.to_table().equals(pooled.to_table())
        merged.drop(COUNTED_BY)
        assert released(merged, 10).to_table().equals(bare(fit(con.cursor(), "whole")[0]).to_table())
    return pooled


def with_noise(source: duckdb.DuckDBPyConnection, epsilon: float = 50.0, most_concepts: int = 4) -> pa.Table:
    """A model of a hospital that noise protects."""
    return fit_with_noise(source.cursor(), "cdm", Protection(epsilon, 1e-6, most_concepts))[0]
