"""Patterns: how the amounts of a cost depend on each other.

A letter for each amount, and a place after some: n missing, 0 zero, f free, m free and below zero, =a equal to a, -a
what the parts of the amount leave of a.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..lives import Int64s
from ..told import Told

AMOUNTS = (  # an amount's place here is public; never reorder, only append
    "total_charge",
    "total_cost",
    "amount_allowed",
    "total_paid",
    "paid_by_patient",
    "paid_by_payer",
    "paid_patient_copay",
    "paid_patient_coinsurance",
    "paid_patient_deductible",
    "paid_by_primary",
    "paid_dispensing_fee",
    "paid_ingredient_cost",
)
_TOTALS, _PATIENT, _COPAY, _COINSURANCE, _DEDUCTIBLE = (3, 2, 1, 0), 4, 6, 7, 8
PARTS = {5: (_PATIENT,), 7: (_COPAY,), 8: (_COPAY, _COINSURANCE), 9: (_PATIENT, 5), 11: (10,)}
_SOONEST = {9: (5,)}  # amounts that another is taken to equal before all the rest: the primary payer is the payer
_WHOLES = {7: (_PATIENT,), 8: (_PATIENT,), 11: (1, 3, 0, 2)}  # the totals otherwise
MISSING, ZERO, FREE, MINUS, EQUAL, REST = "n", "0", "f", "m", "=", "-"


def patterns_of(amounts: Int64s, missing: npt.NDArray[np.bool_]) -> Told:
    """The pattern of each cost, given its amounts in hundredths and which are missing (costs, amounts)."""
    codes = np.zeros(amounts.shape, np.int64)
    names = [MISSING, ZERO, FREE, MINUS]
    names += [EQUAL + chr(97 + a) for a in range(len(AMOUNTS))] + [REST + chr(97 + a) for a in range(len(AMOUNTS))]
    equal, rest = 4, 4 + len(AMOUNTS)
    for place in range(len(AMOUNTS)):
        own = amounts[:, place]
        code = np.where(own < 0, 3, 2)
        for other in (*reversed(range(len(_TOTALS), place)), *_SOONEST.get(place, ())):
            code = np.where((own == amounts[:, other]) & ~missing[:, other], equal + other, code)
        parts = PARTS.get(place, ())
        held = amounts[:, list(parts)].sum(axis=1) if parts else np.zeros(len(own), np.int64)
        for whole in reversed(_wholes(place) if parts else ()):
            fits = (np.abs(amounts[:, whole] - held - own) <= 1) & (held > 0) & ~missing[:, whole] & (own > 0)
            code = np.where(fits, rest + whole, code)
        for other in reversed(range(min(place, len(_TOTALS)))):
            code = np.where((own == amounts[:, other]) & ~missing[:, other], equal + other, code)
        code = np.where(own == 0, 1, code)
        codes[:, place] = np.where(missing[:, place], 0, code)
    cells, at = np.unique(codes, axis=0, return_inverse=True)
    labels = ["".join(names[code] for code in cell) for cell in cells.tolist()]
    return Told.labelled(labels, at.reshape(-1))


def _wholes(place: int) -> tuple[int, ...]:
    return _WHOLES.get(place, _TOTALS)


def letters_of(label: str) -> list[tuple[str, int]]:
    """The parts of a pattern: a letter for each amount, and the place that it names."""
    found, at = [], 0
    while at < len(label):
        named = label[at] in EQUAL + REST
        found.append((label[at], ord(label[at + 1]) - 97 if named else -1))
        at += 1 + named
    return found


def free_of(patterns: Told) -> npt.NDArray[np.bool_]:
    """Whether each amount of each cost is free (costs, amounts)."""
    numbers, place = np.unique(patterns.numbers, return_inverse=True)
    free = [
        [letter in FREE + MINUS for letter, _ in letters_of(patterns.labels[number])] for number in numbers.tolist()
    ]
    return np.array(free, np.bool_).reshape(-1, len(AMOUNTS))[place.reshape(-1)]


def first_of(is_free: npt.NDArray[np.bool_]) -> Int64s:
    """The place of the first free amount of each cost (costs, amounts); -1 where none is."""
    return np.where(is_free.any(axis=1), is_free.argmax(axis=1), -1)
