"""A question that is put to real and to synthetic data alike: who has the outcome, given the predictors?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from omopsql.evaluate.sides import Doubles, Int64s

LEAST_ROWS = 20
LEAST_OF_CLASS = 5


@dataclass(frozen=True)
class Rows:
    """Rows of one side: predictors (n, d), outcome (n) as 1 or 0, and what else is known of them.

    ``days`` is how long each was followed, to the outcome or the end; ``is_event`` whether it ended by the event;
    ``group`` (n) is the subgroup by number, -1 for none. They are None where nothing asked for them.
    """

    name: str
    predictors: Doubles
    outcome: Doubles
    days: Doubles | None = None
    is_event: Doubles | None = None
    group: Int64s | None = None

    def __len__(self) -> int:
        return len(self.outcome)

    @property
    def cases(self) -> int:
        """How many have the outcome."""
        return int(self.outcome.sum())

    def taken(self, chosen: npt.NDArray[np.generic]) -> Rows:
        """Return some of the rows, by place or by mask."""
        fields = ("predictors", "outcome", "days", "is_event", "group")
        held = {name: getattr(self, name) for name in fields if getattr(self, name) is not None}
        return replace(self, **{name: array[chosen] for name, array in held.items()})

    def drawn(self, rows: int, seed: int) -> Rows:
        """Return at most so many rows, drawn by the seed."""
        if len(self) <= rows:
            return self
        order = np.random.Generator(np.random.Philox(seed)).permutation(len(self))[:rows]
        return self.taken(np.sort(order))

    def named(self, name: str) -> Rows:
        """The same rows under another name."""
        return replace(self, name=name)


@dataclass(frozen=True)
class Question:
    """One question: the words of the outcome, the names of the predictors, and the rows of each side.

    ``baseline`` are the places of those predictors that are known at the start of follow-up. ``table`` is empty for a
    flat table. ``told`` says what was left out, one line each.
    """

    outcome: str
    names: tuple[str, ...]
    real: Rows
    synthetic: Rows
    holdout: Rows | None
    baseline: tuple[int, ...]
    table: str = ""
    told: tuple[str, ...] = ()

    @property
    def judges(self) -> Rows:
        """The real rows that models are tested on."""
        return self.real if self.holdout is None else self.holdout

    def halves(self, seed: int) -> tuple[Rows, Rows]:
        """Return two real samples that share no row: real and holdout, or else two random halves of the real one."""
        if self.holdout is not None:
            return self.real, self.holdout
        order = np.random.Generator(np.random.Philox(seed)).permutation(len(self.real))
        middle = len(order) // 2
        return self.real.taken(np.sort(order[:middle])), self.real.taken(np.sort(order[middle:]))


def obstacle(sides: Iterable[Rows], what: str = "the outcome") -> str:
    """Say why an outcome cannot be learned or tested on some rows; empty where nothing is in the way."""
    for rows in sides:
        cases = rows.cases
        if len(rows) < LEAST_ROWS:
            return f"{rows.name}: {len(rows)} rows are too few; at least {LEAST_ROWS} are needed"
        if cases in (0, len(rows)):
            return f"{rows.name}: {what} has one class; {'every' if cases else 'no'} row has it"
        if min(cases, len(rows) - cases) < LEAST_OF_CLASS:
            fewer = f"{cases} of {len(rows)} rows have {what}"
            return f"{rows.name}: {fewer}; at least {LEAST_OF_CLASS} with it and without it are needed"
        if not rows.predictors.shape[1]:
            return f"{rows.name}: there is no predictor beside {what}"
    return ""
