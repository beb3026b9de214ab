"""Which visits hold many values, and the kind of care in each: what the visit is, and its first detail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..lives import Doubles, Int64s
from ..sums import Sums
from .scores import static_bins, statics
from .source import Contacts
from .stays import Stays
from .structure import Structure

_SMOOTH = 30  # persons that say of an age, length or sex: as often as in all persons of the same outcome
_FAINT = 1e-6


def count_care(contacts: Contacts, stays: Stays, sums: Sums) -> None:
    """Count persons by the kind of care, with its label."""
    care, n = np.unique(stays.care, return_counts=True)
    labels = [contacts.labels[int(one)] for one in care]
    visit = np.array([json.loads(label)["visit"] for label in labels], np.int64)
    sums.put("values.care", np.column_stack([care, visit]).reshape(len(care), 2), n, pa.array(labels, pa.string()))


@dataclass(frozen=True)
class Care:
    """The kinds of care of each visit concept, the source's code of the first detail of each, and how they are shared.

    ``intensive`` is the share of a concept's visits that hold many values.
    """

    structure: Structure
    kinds: dict[int, list[int]]
    first_detail: dict[int, str]
    intensive: dict[int, float]

    @classmethod
    def released(cls, structure: Structure, sums: Sums) -> Care:
        """Compile released sums."""
        keys, _ = sums.get("values.care", 2)
        kinds: dict[int, list[int]] = {}
        for care, visit in keys.tolist():
            kinds.setdefault(visit, []).append(care)
        told = [json.loads(str(label))["detail"] for label in sums.labels("values.care")]
        details = {care: detail for care, detail in zip(keys[:, 0].tolist(), told, strict=True) if detail}
        return cls(structure, kinds, details, dict(_intensive(sums)))

    def drawn(self, visit: Int64s, stays: Stays, u: Doubles) -> Int64s:
        """Choose the kind of care by outcome, age, length and sex, which are taken to tell of it on their own.

        ``u`` holds a uniform number for each stay, whose own care is not looked at; 0 where no kind is known.
        """
        care = np.zeros(len(stays), np.int64)
        for concept in np.unique(visit):
            for died in (0, 1):
                own = np.flatnonzero((visit == concept) & (stays.died == died))
                strata = [
                    (kind, at)
                    for at, (kind, flag) in enumerate(self.structure.strata[0].tolist())
                    if flag == died and kind in self.kinds.get(int(concept), [])
                ]
                if strata and len(own):
                    upto = np.cumsum(np.stack([self._likelihood(at, stays)[own] for _, at in strata]), axis=0)
                    place = (u[own] * upto[-1] >= upto[:-1]).sum(axis=0)
                    care[own] = np.array([kind for kind, _ in strata])[place]
        return care

    def _likelihood(self, stratum: int, stays: Stays) -> Doubles:
        """How many persons of a stratum there are of each stay's age, length and sex.

        Small numbers are not shown, so each is taken together with that of all persons of the same outcome.
        """
        persons = float(self.structure.strata[1][stratum])
        likelihood = np.full(len(stays), persons)
        for name, bins in static_bins(stays).items():
            histograms, _ = statics(self.structure, name)
            found = np.full(len(stays), _FAINT)
            for key, weight in zip(self.structure.coarser(stratum)[:2], (persons, _SMOOTH), strict=True):
                own = histograms.number.get(key, -1)
                if own >= 0:
                    found += weight * histograms.density(own, bins) / histograms.total[own]
            likelihood *= found / (persons + _SMOOTH)
        return likelihood


def _intensive(sums: Sums) -> Iterator[tuple[int, float]]:
    held: dict[int, list[int]] = {}
    keys, n = sums.get("values.intensive", 2)
    for (concept, inside), persons in zip(keys.tolist(), n.tolist(), strict=True):
        held.setdefault(concept, [0, 0])[inside] = persons
    for concept, (outside, inside) in held.items():
        if inside:
            yield concept, inside / (outside + inside)
