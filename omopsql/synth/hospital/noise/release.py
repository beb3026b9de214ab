"""Noise on the sums of a hospital, and rows that few persons may stand behind left out.

A statistic to which a person adds 1 in at most r rows has the L2 sensitivity sqrt(r): its rows get noise that hides so
much, and which rows there are at all is hidden by a threshold.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from omopsql.noise.mechanism import Account, Release, threshold_of_cells

from ..sums import Counted, Sums
from .contributions import Contribution, contributions
from .grids import GRIDS

LEDGER = "ledger"
_PUBLIC = ("attributes.tables",)  # which tables a CDM has is no secret
_KNOWN_BY = {"attributes.persons": 2, "values.series": 1}  # how many numbers of a key name the row


def share_of(statistic: str, account: Account) -> tuple[float, float]:
    """The rho and the delta that a statistic may cost, as its weight says."""
    known = contributions()
    share = known[statistic].weight / sum(one.weight for one in known.values())
    return account.rho * share, account.label_delta / len(known)


def threshold(statistic: str, account: Account, most_concepts: int) -> int:
    """The number of persons from which on a row of a statistic may show."""
    return threshold_of_cells(*share_of(statistic, account), contributions()[statistic].rows(most_concepts))


def noised(exact: Sums, account: Account, most_concepts: int) -> Sums:
    """Add noise to every statistic that has a contribution; leave out the others, but for which tables there are.

    Pooled statistics are counted in public bins; their keys end in the first and the last number of a bin. What is
    spent is entered in ``account``.
    """
    found = Sums()
    for statistic in exact:
        told = exact.counted(statistic)
        if statistic in contributions():
            own = contributions()[statistic]
            told = binned(told, own)
            kept, n = account.cells(statistic, told.n, own.rows(most_concepts), *share_of(statistic, account))
            found.put(statistic, told.keys[kept], n, None if told.labels is None else told.labels.take(pa.array(kept)))
        elif statistic in _PUBLIC:
            found.put(statistic, told.keys, told.n, told.labels)
    return found


def binned(counted: Counted, contribution: Contribution) -> Counted:
    """Count in public bins. A person adds to one number of a histogram only, so none counts twice in a bin."""
    if not contribution.grid:
        return counted
    low, high = GRIDS[contribution.grid](counted.keys[:, -1])
    return Counted.summed(np.column_stack([counted.keys[:, :-1], low, high]), counted.n, counted.labels)


def without_orphans(noisy: Sums) -> Sums:
    """Leave out the rows that are part of rows which the noise hid."""
    whole = Sums.merged([noisy])
    for statistic in noisy:
        parent = contributions()[statistic].part_of if statistic in contributions() else ""
        if parent:
            cells, width = noisy.counted(statistic), _KNOWN_BY[parent]
            known = noisy.counted(parent).keys[:, :width] if parent in noisy else np.zeros((0, width), np.int64)
            kept = np.flatnonzero(_among(cells.keys[:, :width], known))
            whole.drop(statistic)
            labels = None if cells.labels is None else cells.labels.take(pa.array(kept))
            whole.put(statistic, cells.keys[kept], cells.n[kept], labels)
    return whole


def _among(rows: np.ndarray, known: np.ndarray) -> np.ndarray:
    place = np.unique(np.concatenate([known, rows]), axis=0, return_inverse=True)[1].reshape(-1)
    return np.isin(place[len(known) :], place[: len(known)])


def ledger(account: Account, first: int = 0) -> Sums:
    """Write what was released as facts of the model: one row a statistic, in order; ``n`` is how many rows it has.

    ``first`` is the place of the first one. Sites that add the same noise write the same rows, so that their numbers
    add up.
    """
    told = Sums()
    labels = [json.dumps(asdict(one) | {"values": 0}, sort_keys=True) for one in account.releases]
    order = first + np.arange(len(labels)).reshape(-1, 1)
    told.put(LEDGER, order, [one.values for one in account.releases], pa.array(labels, pa.string()))
    return told


def releases(sums: Sums) -> list[Release]:
    """Read the ledger of a model."""
    n = sums.get(LEDGER, 1)[1].tolist()
    told = (json.loads(str(label)) for label in sums.labels(LEDGER))
    return [Release(**(one | {"values": values})) for one, values in zip(told, n, strict=True)]
