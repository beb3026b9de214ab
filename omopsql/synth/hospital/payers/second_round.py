"""The second round: how periods begin, last, end and follow each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..choices import put_rates, put_shares
from ..counting import put_quantities, put_quantity
from ..histograms import band_of
from ..lives import Int64s, People, is_last_of
from ..plan import Plan
from ..reading import Site
from ..sums import Sums, group_starts
from .source import Covers, read
from .statistics import (
    AGES,
    ALL_OTHERS,
    ANY,
    BEFORE,
    BEGIN_DAYS,
    BEGINS,
    BEYOND,
    DAYS,
    ENDS,
    FIRST,
    GAP,
    GAP_DAYS,
    HAS,
    HELD,
    LASTS,
    LATER,
    LEFT,
    LENGTH,
    MOST,
    NEXT,
    ON,
    OVERLAPS,
    STAYS,
    STOPS,
    class_of,
    gap_class,
    turn_of,
)


def sums(site: Site, plan: Plan) -> Sums:
    """Count how periods begin, last, end and follow each other, if enough persons have any."""
    found = Sums()
    if not len(plan.margins.get(ANY, 1)[1]):
        return found
    covers, people = read(site), site.people
    kind, hashes = covers.known(plan.margins), covers.hashes
    first = group_starts([covers.person], len(covers.person))
    _count_beginnings(found, covers, people, kind, hashes, first)
    _count_lengths(found, covers, kind, hashes, plan.margins)
    _count_steps(found, covers, kind, hashes)
    return found


def _count_beginnings(
    found: Sums, covers: Covers, people: People, kind: Int64s, hashes: npt.NDArray[np.uint64], first: Int64s
) -> None:
    """Who has periods, and when and by which kind the first one begins."""
    everybody = np.arange(len(people))
    cell = class_of(people)
    has = np.isin(everybody, covers.person).astype(np.int64)
    alike = np.zeros(len(people), np.uint64)
    put_shares(found, HAS, everybody, alike, cell, has)
    person, start = covers.person[first], covers.start[first]
    own, last = people.start[person].astype(np.int64), people.end[person].astype(np.int64)
    begins = np.sign(start - own) + 1
    put_shares(found, BEGINS, person, hashes[first], cell[person], begins)
    put_shares(found, FIRST, person, hashes[first], band_of(start, AGES)[:, None], kind[first])
    put_shares(found, HELD, covers.person, hashes, band_of(covers.start, AGES)[:, None], kind)
    days = np.where(begins == BEFORE, own - start, last - start)
    away = begins != ON
    put_quantity(found, BEGIN_DAYS, np.column_stack([begins, cell[person, 1]])[away], days[away])


def _count_lengths(found: Sums, covers: Covers, kind: Int64s, hashes: npt.NDArray[np.uint64], margins: Sums) -> None:
    """How long periods last that do not end with observation, and which do."""
    left = covers.people.end[covers.person].astype(np.int64) - covers.start
    length = covers.end - covers.start
    put_rates(found, ENDS, covers.person, band_of(left, LEFT)[:, None], np.sign(length - left) + 1)
    whole = length != left
    frequent = margins.get(LENGTH, 1)[0][:, 0]
    is_frequent = np.isin(length, frequent)
    put_rates(found, LASTS, covers.person[whole], kind[whole, None], np.where(is_frequent, length, ALL_OTHERS)[whole])
    other = np.flatnonzero(whole & ~is_frequent)
    put_quantities(found, DAYS, covers.person[other], hashes[other], kind[other, None], length[other])


def _count_steps(found: Sums, covers: Covers, kind: Int64s, hashes: npt.NDArray[np.uint64]) -> None:
    """Which period is the last one, and what follows after the others."""
    person, is_last = covers.person, is_last_of(covers.person)
    left = covers.people.end[person].astype(np.int64) - covers.end
    inside = left > 0
    cell = np.column_stack([kind, band_of(left, LEFT)])
    put_rates(found, STOPS, person[inside], cell[inside], is_last[inside].astype(np.int64))
    crossing, further = _crossing(person, left)
    on = (left[crossing] == 0).astype(np.int64)
    put_shares(found, BEYOND, person[crossing], hashes[crossing], on[:, None], np.minimum(further, MOST))
    one = np.flatnonzero(~is_last)
    other = one + 1
    gap = covers.start[other] - covers.end[one]
    of_gap = gap_class(gap)
    put_rates(found, GAP, person[one], kind[one, None], of_gap)
    told = np.isin(of_gap, (OVERLAPS, LATER))
    put_quantities(found, GAP_DAYS, person[one][told], hashes[one][told], of_gap[told, None], np.abs(gap[told]))
    cell = np.column_stack([kind[one], turn_of(covers.start[one], covers.start[other]), of_gap == LATER])
    stays = kind[one] == kind[other]
    put_rates(found, STAYS, person[one], cell, stays.astype(np.int64))
    put_shares(found, NEXT, person[one][~stays], hashes[one][~stays], cell[~stays], kind[other][~stays])


def _crossing(person: Int64s, left: Int64s) -> tuple[Int64s, Int64s]:
    """The first period of each person that reaches the last day of observation, and how many follow after it."""
    beyond = np.flatnonzero(left <= 0)
    first = beyond[group_starts([person[beyond]], len(beyond))]
    return first, np.searchsorted(person, person[first], side="right") - first - 1
