"""The second round: which records have costs, with what pattern, and how much the free amounts are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .. import payers
from ..choices import put_shares
from ..counting import hashed, put_quantities
from ..histograms import Lookup
from ..lives import Int64s, People
from ..payers import UNCOVERED
from ..plan import Plan
from ..reading import Site
from ..sums import Sums
from .patterns import AMOUNTS, first_of, free_of
from .source import Costs, Records, costs_by_domain
from .statistics import (
    AMOUNT,
    ANY,
    CHOSEN,
    FIRST,
    LINK,
    MOST,
    MOST_RATIO,
    NOTHING,
    NUMBER,
    OF_PATTERN,
    PATTERN,
    PERMILLE,
    RATIOS,
    SAID,
    SIZES,
    SPREAD,
    TOLD,
    VALUE,
    band_of_amount,
    size_of,
)


def sums(site: Site, plan: Plan) -> Sums:
    """Count which records have costs, their patterns and their free amounts."""
    found = Sums()
    known = plan.margins.get(ANY, 1)[0][:, 0]
    covers = None
    for number, records, costs in costs_by_domain(site, plan.items) if len(known) else ():
        if number in known:
            covers = payers.read(site) if covers is None else covers
            _count(found, number, records, costs, covers, plan.margins)
    return found


def _count(found: Sums, number: int, records: Records, costs: Costs, covers: payers.Covers, margins: Sums) -> None:
    """The records and costs of one domain, which goes by ``number``."""
    cover = covers.covering(records.person, records.day)
    _count_numbers(found, number, records, costs, covers.people, cover >= 0)
    person, concept, day, cover = (
        column[costs.record] for column in (records.person, records.concept, records.day, cover)
    )
    hashes = hashed(covers.people.birth[person], day, concept, costs.told.numbers, *costs.amounts.T)
    patterns = costs.patterns
    is_free = free_of(patterns)
    base = _base(costs, first_of(is_free))
    of_domain, kind = np.full(len(person), number), np.append(covers.known(margins), UNCOVERED)[cover]
    cell = np.column_stack([of_domain, of_domain, concept, kind, band_of_amount(base)])
    of_pattern = cell[:, OF_PATTERN]
    covered = cover >= 0
    is_linked = (costs.period[covered] >= 0).astype(np.int64)
    put_shares(found, LINK, person[covered], hashes[covered], of_pattern[covered], is_linked)
    put_shares(found, SAID, person, hashes, of_pattern, costs.told.released(margins, TOLD, number))
    put_shares(found, CHOSEN, person, hashes, of_pattern, patterns.released(margins, PATTERN, number))
    keys, _ = margins.get(AMOUNT, 3)
    shared = keys[keys[:, 0] == number, 1:]
    _count_first(found, cell, person, hashes, first_of(is_free), base, shared)
    _count_others(found, cell, person, hashes, costs, is_free, base, shared)


def _count_numbers(
    found: Sums, number: int, records: Records, costs: Costs, people: People, is_covered: npt.NDArray[np.bool_]
) -> None:
    """How many costs records have."""
    person, concept = records.person, records.concept
    held = np.bincount(costs.record, minlength=len(person))
    cell = np.column_stack([np.full(len(person), number), concept, is_covered])
    alike = hashed(people.birth[person], records.day, concept, held)
    put_shares(found, NUMBER, person, alike, cell, np.minimum(held, MOST))


def _base(costs: Costs, first: Int64s) -> Int64s:
    """The first free amount of each cost; 0 where none is."""
    amounts = np.abs(np.take_along_axis(costs.amounts, np.maximum(first, 0)[:, None], axis=1)[:, 0])
    return np.where(first < 0, 0, amounts)


def _count_first(
    found: Sums, cell: Int64s, person: Int64s, hashes: npt.NDArray[np.uint64], first: Int64s, base: Int64s,
    shared: Int64s,
) -> None:  # fmt: skip
    """The first free amounts: those that many persons share, and the sizes of the others."""
    is_shared = Lookup.of(shared).find(np.column_stack([first, base]), np.arange(len(shared))) >= 0
    outcome = np.where(first < 0, NOTHING, np.where(is_shared, base, SPREAD))
    put_shares(found, FIRST, person, hashes, cell, outcome)
    spread = np.flatnonzero(outcome == SPREAD)
    put_quantities(found, SIZES, person[spread], hashes[spread], cell[spread], size_of(base[spread]))


def _count_others(
    found: Sums, cell: Int64s, person: Int64s, hashes: npt.NDArray[np.uint64], costs: Costs,
    is_free: npt.NDArray[np.bool_], base: Int64s, shared: Int64s,
) -> None:  # fmt: skip
    """The free amounts after the first: those that many persons share, and the others in proportion to the first."""
    first = first_of(is_free)
    for place in range(1, len(AMOUNTS)):
        own = np.flatnonzero(is_free[:, place] & (first != place))
        cents = np.abs(costs.amounts[own, place])
        outcome = np.where(np.isin(cents, shared[shared[:, 0] == place, 1]), cents, SPREAD)
        of_place = cell[own]
        of_place[:, 1] = place
        put_shares(found, VALUE, person[own], hashes[own], of_place, outcome)
        ratio = np.minimum(cents * PERMILLE // np.maximum(base[own], 1), MOST_RATIO)
        spread = np.flatnonzero(outcome == SPREAD)
        put_quantities(found, RATIOS, person[own[spread]], hashes[own[spread]], of_place[spread], ratio[spread])
