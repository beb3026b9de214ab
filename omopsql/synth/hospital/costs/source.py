"""What a real hospital tells of costs: the records that may have some, and the costs of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from omopsql.harmonize.cdm import roles

from ..lives import Int64s
from ..plan import TABLE_NUMBERS, Items
from ..reading import Site, longs
from ..told import Told
from .patterns import AMOUNTS, patterns_of
from .statistics import LARGEST

TABLE = "cost"
DOMAINS = {  # the tables of the domains that a cost may belong to
    "Condition": "condition_occurrence",
    "Procedure": "procedure_occurrence",
    "Drug": "drug_exposure",
    "Device": "device_exposure",
    "Measurement": "measurement",
    "Observation": "observation",
    "Specimen": "specimen",
    "Visit": "visit_occurrence",
}
_FIELDS = (
    "cost_type_concept_id",
    "currency_concept_id",
    "revenue_code_concept_id",
    "revenue_code_source_value",
    "drg_concept_id",
    "drg_source_value",
)


@dataclass(frozen=True)
class Records:
    """The records of one table: person, concept, own day and key of each, by person."""

    domain: str
    person: Int64s
    concept: Int64s
    day: Int64s
    key: Int64s


def records_of(site: Site, domain: str, items: Items) -> Records | None:
    """Read the records of a domain's table; concepts count as the items they are rolled up to, others as 0."""
    table = DOMAINS[domain]
    if not site.has(table):
        return None
    rows = site.rows(table, items)
    item = longs(rows["item"])
    concept = np.where(item >= 0, np.append(items.concept, 0)[item], 0)
    key = longs(rows[roles(site.version)[table].key_field], -1)
    person, day = (longs(rows[name]) for name in ("person", "own_day"))
    return Records(domain, person, concept, day, key)


@dataclass(frozen=True)
class Costs:
    """Costs of records of one domain: the place of the record of each, and its amounts in hundredths by name.

    ``amounts`` (costs, amounts) tell how much; of ``missing`` ones nothing is known.
    """

    record: Int64s
    amounts: Int64s
    missing: npt.NDArray[np.bool_]
    period: Int64s
    told: Told

    @property
    def patterns(self) -> Told:
        """How the amounts of each cost depend on each other."""
        return patterns_of(self.amounts, self.missing)


def _costs_of(rows: pa.Table, records: Records) -> Costs:
    """The costs of records, by record."""
    here = pc.equal(pc.utf8_lower(pc.utf8_trim_whitespace(rows["cost_domain_id"])), records.domain.lower())
    rows = rows.filter(pc.fill_null(here, False))
    order = np.argsort(records.key, kind="stable")
    wanted = longs(rows["cost_event_id"], -1)
    at = np.minimum(np.searchsorted(records.key[order], wanted), max(len(order) - 1, 0))
    found = (records.key[order][at] == wanted) & (wanted >= 0) if len(order) else np.zeros(len(wanted), np.bool_)
    rows, record = rows.filter(pa.array(found)), order[at[found]] if len(order) else np.zeros(0, np.int64)
    amounts = [rows[name].to_numpy().astype(np.float64) for name in AMOUNTS]
    values = np.column_stack(amounts) if len(record) else np.zeros((0, len(AMOUNTS)))
    missing = ~np.isfinite(values) | (np.abs(values) >= LARGEST / 100)
    cents = np.round(np.where(missing, 0.0, values) * 100).astype(np.int64)
    period = longs(rows["payer_plan_period_id"], -1)
    told = Told.of(rows, _FIELDS)
    order = np.lexsort((told.numbers, *cents.T, record))
    return Costs(record[order], cents[order], missing[order], period[order], told.at(order))


def costs_by_domain(site: Site, items: Items) -> Iterator[tuple[int, Records, Costs]]:
    """The records of each domain and their costs; the domain goes by the number of its table."""
    if not site.has(TABLE):
        return
    rows = site.plain(TABLE)
    for domain, table in DOMAINS.items():
        records = records_of(site, domain, items)
        if records is not None:
            yield TABLE_NUMBERS[table], records, _costs_of(rows, records)
