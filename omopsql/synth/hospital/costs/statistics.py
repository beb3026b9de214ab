"""The statistics of costs: their names, the cells of each, how it is released, and the bins of amounts."""

from __future__ import annotations

import numpy as np

from ..histograms import band_of
from ..lives import Int64s
from ..release import DROP, POOL, Rule

ANY, PATTERN, AMOUNT, TOLD = (f"costs.{name}" for name in ("any", "pattern", "amount", "told"))
NUMBER = {  # of a record's domain, concept, whether a payer plan period covers it
    "costs.number.item": (0, 1, 2),
    "costs.number.covered": (0, 2),
    "costs.number": (0,),
}
OF_PATTERN = [0, 2, 3, 4]  # of the columns of amounts below, those that patterns depend on
CHOSEN = {  # of domain, concept, kind of payer, band of the first amount
    "costs.chosen.item": (0, 1, 2, 3),
    "costs.chosen.payer": (0, 2, 3),
    "costs.chosen.band": (0, 3),
    "costs.chosen": (0,),
}
FIRST = {"costs.first.item": (0, 2), "costs.first": (0,)}  # of domain, place of the amount, concept, kind of payer
VALUE = {  # of domain, place of the amount, concept, kind of payer, band of the first amount
    "costs.value.item": (0, 1, 2, 3, 4),
    "costs.value.payer": (0, 1, 3),
    "costs.value": (0, 1),
}
SIZES = {"costs.size.item": (0, 2), "costs.size": (0,)}
RATIOS = {"costs.ratio.item": (0, 1, 2), "costs.ratio.payer": (0, 1, 3), "costs.ratio": (0, 1)}
SAID = {"costs.said.item": (0, 1), "costs.said": (0,)}
LINK = {"costs.link": (0,)}

RULES: dict[str, Rule] = {
    ANY: DROP,  # domain: have a cost
    PATTERN: DROP,  # domain, the number of a pattern, and what it is
    AMOUNT: DROP,  # domain, place of the amount, hundredths
    TOLD: DROP,  # domain, the number of what else is told, and what it is
    # of the second round
    **dict.fromkeys((*NUMBER, *CHOSEN, *FIRST, *VALUE, *SAID, *LINK), DROP),
    **dict.fromkeys((*SIZES, *RATIOS), POOL),
}
ROUNDED = [*SIZES, *RATIOS]

SPREAD = 0  # in the place of an amount: none of those that many persons share
NOTHING = -2  # there: no amount is free
LARGEST = 1 << 50  # hundredths
MOST = 5  # costs of a record
STEP = np.log(1.05)  # sizes grow by a twentieth
PERMILLE = 1000
MOST_RATIO = 100 * PERMILLE
_SIZE_BANDS = np.floor(np.log(np.array([1, 10, 30, 100, 200, 500, 1000, 3000, 10_000, 100_000]) * 100) / STEP)
_SIZE_BANDS = _SIZE_BANDS.astype(np.int64)


def size_of(cents: Int64s) -> Int64s:
    """The public bin of an amount: bins grow by a twentieth."""
    return np.floor(np.log(np.maximum(cents, 1)) / STEP).astype(np.int64)


def band_of_amount(base: Int64s) -> Int64s:
    """The band of the first amount; -1 without one."""
    return np.where(base == 0, -1, band_of(size_of(base), _SIZE_BANDS))
