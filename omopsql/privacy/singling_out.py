"""Singling out: descriptions that fit exactly one synthetic person, tried on real persons.

A description of one column is an extreme or rare value; one of several columns takes the values of a synthetic person.
Source: M. Giomi et al., PoPETs 2023(2), 312-328 (anonymeter), after A. Cohen and K. Nissim, PNAS 117 (2020) 8344.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from omopsql.evaluate.encode import sample
from omopsql.evaluate.metric import Metric
from omopsql.evaluate.sides import Doubles, Int64s, Sides
from omopsql.udfs.predicates import AT_LEAST, AT_MOST, BELOW, EQUAL, UNEQUAL, count_matches

from .codes import coded
from .rates import Rate, risk_metric
from .records import numbered, rows

ATTACKS = 2000
COLUMNS = 3  # of a description
_MOST_PERSONS = 20_000  # of a side
_ROUNDS = 100  # of drawing as many descriptions as are wanted
_METRIC = "singling_out_risk"


@dataclass(frozen=True)
class Predicates:
    """Descriptions: of each the columns, how they are compared, and with what, all (descriptions, columns).

    ``described``: the row that each was taken from.
    """

    columns: Int64s
    operators: Int64s
    values: Doubles
    described: Int64s

    def __len__(self) -> int:
        return len(self.columns)

    def taken(self, kept: Int64s) -> Predicates:
        """Some of them, in this order."""
        return Predicates(self.columns[kept], self.operators[kept], self.values[kept], self.described[kept])

    def single_out(self, table: Doubles) -> Int64s:
        """The places of those that hold for exactly one row of a table."""
        found = count_matches(table, self.columns, self.operators, self.values, 2)
        return np.flatnonzero(found == 1)

    def rate(self, table: Doubles) -> Rate:
        """How many of them hold for exactly one row of a table. Descriptions of one row count as fewer (Kish)."""
        share = len(self.single_out(table)) / len(self)
        of_row = np.bincount(self.described).astype(float)
        attacks = float(of_row.sum() ** 2 / np.square(of_row).sum())
        return Rate(share * attacks, attacks)


def singling_out(sides: Sides, seed: int, attacks: int = ATTACKS) -> Iterator[Metric]:
    """Attack with descriptions of one column, and of three columns.

    Equal rows count once. As many real as holdout persons are attacked, because a description of one person among
    few may fit several among many. Intervals are those of ``rates.risk``, where descriptions of the same synthetic
    person count as fewer: they succeed together.
    """
    for subject, width in (("one column", 1), (f"{COLUMNS} columns", COLUMNS)):
        if sides.holdout is None:
            reason = "needs a holdout: real persons whom the generator never saw"
            yield Metric(_METRIC, None, subject=subject, note=reason)
        elif len(sides.columns) < width:
            yield Metric(_METRIC, None, subject=subject, note=f"there are {len(sides.columns)} columns")
        else:
            yield _attacked(sides, subject, width, attacks, seed)


def _attacked(sides: Sides, subject: str, width: int, attacks: int, seed: int) -> Metric:
    random = np.random.Generator(np.random.Philox(seed))
    real, synthetic, holdout = _distinct(sides, seed)
    numbers = len(sides.numeric)
    made = _univariate(synthetic, numbers, random) if width == 1 else _drawn(synthetic, numbers, width, attacks, random)
    predicates = made.taken(np.arange(min(len(made), attacks)))
    if not len(predicates):
        return Metric(_METRIC, None, subject=subject, n=0, note="no description fits exactly one synthetic person")
    size = min(len(real), len(holdout))
    attacked, control = (side[np.sort(random.permutation(len(side))[:size])] for side in (real, holdout))
    guesses = _guesses(synthetic, numbers, width, len(predicates), random)
    attack, held, guessed = predicates.rate(attacked), predicates.rate(control), guesses.rate(attacked)
    told = risk_metric(_METRIC, subject, attack, held, guessed)
    return replace(told, note=f"{len(predicates):,} descriptions: {told.note}")


def _distinct(sides: Sides, seed: int) -> list[Doubles]:
    """The distinct rows of each side as numbers, with numeric columns first."""
    drawn = [sample(side, _MOST_PERSONS, seed + place) for place, side in enumerate(sides.every)]
    some = Sides(drawn[0], drawn[1], drawn[2] if len(drawn) > 2 else None, sides.numeric, sides.labels, ())
    records = numbered("", rows(some, some.columns))
    tables = coded(some, some.columns).sides
    return [
        table[np.sort(np.unique(of, return_index=True)[1])] for table, of in zip(tables, records.sides, strict=True)
    ]


def _univariate(table: Doubles, numbers: int, random: np.random.Generator) -> Predicates:
    """Every description by one column that fits one row: an extreme number, a value that occurs once, in any order."""
    parts = []
    for column in range(table.shape[1]):
        values, first, count = np.unique(table[:, column], return_index=True, return_counts=True)
        once, known = np.flatnonzero(count == 1), np.flatnonzero(~np.isnan(values))
        ends = [(known[0], AT_MOST), (known[-1], AT_LEAST)] if column < numbers and known.size else []
        for place, operator in [*((place, EQUAL) for place in once), *ends]:
            parts.append((column, operator, values[place], first[place]))
    columns, operators, values, described = np.array(parts, float).reshape(-1, 4).T
    predicates = Predicates(
        columns[:, None].astype(np.int64),
        operators[:, None].astype(np.int64),
        values[:, None],
        described.astype(np.int64),
    )
    kept = predicates.single_out(table)
    return predicates.taken(kept[random.permutation(len(kept))])


def _drawn(table: Doubles, numbers: int, width: int, wanted: int, random: np.random.Generator) -> Predicates:
    """Descriptions that take the values of one row in some columns: as extreme as it, or with the same label."""
    medians = np.array([_median(column) for column in table.T])
    found: list[Predicates] = []
    seen = 0
    for _ in range(_ROUNDS):
        described = random.integers(0, len(table), wanted)
        chosen = table[described]
        columns = np.sort(np.argsort(random.random(chosen.shape), axis=1)[:, :width], axis=1)
        values = np.take_along_axis(chosen, columns, axis=1)
        is_label = (columns >= numbers) | np.isnan(values)
        operators = np.where(is_label, EQUAL, np.where(values > medians[columns], AT_LEAST, AT_MOST))
        predicates = Predicates(columns, operators, values, described)
        found.append(predicates.taken(predicates.single_out(table)))
        seen += len(found[-1])
        if seen >= wanted:
            break
    return _once(found)


def _median(values: Doubles) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else 0.0


def _once(found: list[Predicates]) -> Predicates:
    """Descriptions one after the other, each once."""
    every = Predicates(*(np.concatenate([getattr(part, field.name) for part in found]) for field in fields(Predicates)))
    together = np.column_stack([every.columns, every.operators, np.nan_to_num(every.values, nan=-1e300)])
    return every.taken(np.sort(np.unique(together, axis=0, return_index=True)[1]))


def _guesses(table: Doubles, numbers: int, width: int, wanted: int, random: np.random.Generator) -> Predicates:
    """Descriptions at random: any columns, any comparison, with a value that occurs."""
    columns = np.sort(np.argsort(random.random((wanted, table.shape[1])), axis=1)[:, :width], axis=1)
    operators = random.integers(0, BELOW + 1, (wanted, width))
    operators = np.where(columns < numbers, operators, np.where(operators % 2 == 0, EQUAL, UNEQUAL))
    distinct = [np.unique(table[:, c]) for c in range(table.shape[1])]
    sizes = np.array([len(values) for values in distinct])
    starts = np.cumsum(sizes) - sizes
    places = starts[columns] + (random.random((wanted, width)) * sizes[columns]).astype(np.int64)
    return Predicates(columns, operators, np.concatenate(distinct)[places], np.arange(wanted))
