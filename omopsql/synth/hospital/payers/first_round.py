"""The first round: what kinds of periods there are, how long they last, and why they end."""

from __future__ import annotations

import numpy as np

from ..counting import put_persons
from ..lives import is_last_of
from ..reading import Site
from ..sums import Sums
from ..told import put_told
from .source import TABLE, read
from .statistics import AFTER_DEATH, ANY, KIND, LENGTH, REASON


def margins(site: Site) -> Sums:
    """Count the persons by kinds and lengths of their periods."""
    found = Sums()
    if not site.has(TABLE):
        return found
    covers = read(site)
    put_persons(found, ANY, covers.person, np.ones(len(covers.person), np.int64))
    for level, told in enumerate((covers.kind, covers.payer)):
        put_told(found, KIND, covers.person, np.full(len(covers.person), level), told)
    put_persons(found, LENGTH, covers.person, covers.end - covers.start)
    if set(covers.reason.labels.values()) != {"{}"}:
        put_told(found, REASON, covers.person, is_last_of(covers.person).astype(np.int64), covers.reason)
    died = covers.people.death[covers.person]
    late = (died >= 0) & (covers.end > died)
    put_persons(found, AFTER_DEATH, covers.person[late], np.ones(int(late.sum()), np.int64))
    return found
