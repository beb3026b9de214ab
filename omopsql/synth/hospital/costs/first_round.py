"""The first round: which patterns, amounts and codes costs have."""

from __future__ import annotations

import numpy as np

from ..counting import put_persons
from ..plan import Items
from ..reading import Site
from ..sums import Sums
from ..told import put_told
from .patterns import AMOUNTS
from .source import costs_by_domain
from .statistics import AMOUNT, ANY, PATTERN, TOLD


def margins(site: Site) -> Sums:
    """Count the persons by patterns of their costs and by amounts."""
    found = Sums()
    for number, records, costs in costs_by_domain(site, Items.of(Sums())):
        person = records.person[costs.record]
        put_persons(found, ANY, person, np.full(len(person), number))
        for statistic, told in ((PATTERN, costs.patterns), (TOLD, costs.told)):
            put_told(found, statistic, person, np.full(len(person), number), told)
        for place in range(len(AMOUNTS)):
            own = np.flatnonzero(~costs.missing[:, place] & (costs.amounts[:, place] != 0))
            cents = np.abs(costs.amounts[own, place])
            put_persons(found, AMOUNT, person[own], np.full(len(own), number), np.full(len(own), place), cents)
    return found
