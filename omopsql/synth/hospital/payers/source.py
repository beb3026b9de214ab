"""What a real hospital tells of payer plan periods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..counting import hashed_records
from ..lives import Int64s, People
from ..reading import Site, longs
from ..sums import Sums
from ..told import UNKNOWN, Told
from .covering import covering
from .statistics import KIND

TABLE = "payer_plan_period"
_PARTS = ("payer", "plan", "sponsor")
_TOLD = ("concept_id", "source_value", "source_concept_id")
_FIELDS = {part: tuple(f"{part}_{told}" for told in _TOLD) for part in (*_PARTS, "stop_reason")}


@dataclass(frozen=True)
class Covers:
    """The payer plan periods of real people, by person and start: first and last day from birth, and their kinds."""

    people: People
    person: Int64s
    start: Int64s
    end: Int64s
    kind: Told
    payer: Told
    reason: Told

    def known(self, margins: Sums) -> Int64s:
        """The number of each period's kind as far as it is released."""
        kind = self.kind.released(margins, KIND, 0)
        return np.where(kind == UNKNOWN, self.payer.released(margins, KIND, 1), kind)

    def covering(self, person: npt.NDArray[np.integer], day: npt.NDArray[np.integer]) -> Int64s:
        """The period that covers a day of a person, the latest to begin; -1 where none does."""
        return covering(self.person, self.start, self.end, person, day)

    @property
    def hashes(self) -> npt.NDArray[np.uint64]:
        """A hash of what each period says."""
        return hashed_records(self.people, self.person, self.start, self.end, self.kind.numbers)


def read(site: Site) -> Covers:
    """Read the payer plan periods of a site; none where it has no such table. One without an end lasts to the last day
    of observation.
    """
    people = site.people
    rows = site.rows(TABLE)
    person = longs(rows["person"])
    start = longs(rows["own_day"])
    ends = rows["payer_plan_period_end_date"].cast(pa.int32()).to_numpy().astype(np.float64) - people.birth[person]
    end = np.maximum(np.where(np.isnan(ends), people.end[person], ends).astype(np.int64), start)
    kind = Told.of(rows, tuple(name for part in _PARTS for name in _FIELDS[part]))
    payer, reason = Told.of(rows, _FIELDS["payer"]), Told.of(rows, _FIELDS["stop_reason"])
    order = np.lexsort((reason.numbers, kind.numbers, end, start, person))
    kind, payer, reason = (told.at(order) for told in (kind, payer, reason))
    return Covers(people, person[order], start[order], end[order], kind, payer, reason)
