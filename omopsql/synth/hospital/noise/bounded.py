"""What is read of a person when noise is added: so many of his concepts, so that what he adds to a sum is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from omopsql.harmonize.cdm import tables
from omopsql.quoting import identifier

from ..plan import TABLE_NUMBERS

COUNTED = "omopsql_counted"  # the table of the concepts of each person that are counted
_UNBOUNDED = ("visit_detail", "episode", "episode_event")  # tables of records that no concept bounds


@dataclass(frozen=True)
class Bounded:
    """The bound on a CDM of a version; ``most_concepts`` is None where there is none.

    ``concept_of`` gives the field of a table's main concept, None for a table that is not of records.
    """

    version: str
    most_concepts: int | None
    concept_of: Callable[[str], str | None]

    def withholds_table(self, table: str) -> bool:
        """Whether a table is not read."""
        return self.most_concepts is not None and table in _UNBOUNDED

    def rows(self, table: str, select: str) -> str:
        """Write the SELECT of the records of counted concepts, given that of a table's."""
        concept = self.concept_of(table) if table in TABLE_NUMBERS else None
        if self.most_concepts is None or concept is None:
            return select
        return (
            f"SELECT every.* FROM ({select}) AS every SEMI JOIN {COUNTED} AS counted "
            f"ON counted.person_id = every.person_id AND counted.table_number = {TABLE_NUMBERS[table]} "
            f"AND counted.concept_id = every.{identifier(concept)} AND counted.unit_id = {self._unit(table)}"
        )

    def held(self, selects: Iterable[tuple[str, str]]) -> str:
        """Write the SELECT of all concepts that persons have, given the tables and the SELECTs of their records."""
        parts = ["SELECT CAST(NULL AS BIGINT) AS person_id, 0 AS table_number, 0 AS concept_id, 0 AS unit_id"]
        for table, select in selects:
            concept = self.concept_of(table)
            if concept is not None:
                parts.append(
                    f"SELECT person_id, {TABLE_NUMBERS[table]}, {identifier(concept)}, {self._unit(table)} "
                    f"FROM ({select}) AS every"
                )
        return " UNION ALL ".join(parts)

    def limits(self) -> str:
        """Write the SELECT of the bound."""
        return f"SELECT {int(self.most_concepts or 0)} AS most"

    def _unit(self, table: str) -> str:
        return "coalesce(every.unit_concept_id, 0)" if "unit_concept_id" in tables(self.version)[table] else "0"
