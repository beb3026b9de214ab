"""What a policy lets be read of a CDM. What it denies is read as if the CDM did not have it.

A record is left out when its own concept, or the source concept of its code, is denied. Elsewhere a denied concept is
NULL, with all that says the same beside it: source value, source concept, value as text or number. A code that stands
for a denied concept in any record, or for one that no list allows, is NULL wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.harmonize.cdm import VOCABULARY_TABLES, Field, roles
from omopsql.publish.policy.rules import Concept, OfCdm
from omopsql.quoting import identifier

DENIED, ADMITTED = "omopsql_denied", "omopsql_admitted"
CODES, SOURCES = "omopsql_denied_codes", "omopsql_denied_sources"
LISTED = "omopsql_listed"

_VISITS = ("visit_occurrence", "visit_detail")  # no list of concepts that are allowed is meant for them
_STEM = re.compile(r"_(source_concept_id|as_concept_id|concept_id|source_value|as_string|as_number|source)$")
_SOURCE_VALUE = "_source_value"


@dataclass(frozen=True)
class Permitted:
    """The rules of a policy on the fields of one CDM version; without rules everything is permitted."""

    version: str
    rules: OfCdm

    def withholds_table(self, table: str) -> bool:
        """Whether a table is read as absent."""
        return self.rules.withholds_table(table)

    def rows(self, table: str, fields: Iterable[Field], select: str) -> str:
        """Write the SELECT of a table's permitted rows and values, of the one that reads all of them.

        Concepts are looked at before columns are withheld: a record is left out for a concept that nobody may see.
        """
        known = list(fields)
        if self.rules.restricts_concepts and table not in VOCABULARY_TABLES:
            conditions = " AND ".join(self._conditions(table, known)) or "true"
            select = _replaced(self._values(table, known), f"FROM ({select}) WHERE {conditions}")
        withheld = [field.name for field in known if self.rules.withholds(table, field.name)]
        return _replaced(((name, f"nullif({identifier(name)}, {identifier(name)})") for name in withheld), select)

    def ancestors(self, table: str, select: str) -> str:
        """Write the SELECT of those ancestors of rare concepts that may be named."""
        if not self.rules.restricts_concepts:
            return select
        own = identifier("ancestor_concept_id")
        conditions = [f"{own} NOT IN (FROM {DENIED})"]
        if self._is_bound(table):
            conditions.append(f"{own} IN (FROM {ADMITTED})")
        return f"FROM ({select}) WHERE {' AND '.join(conditions)}"

    def codes(self, table: str, fields: Iterable[Field], select: str) -> Iterator[str]:
        """Write the SELECTs of the codes that stand beside concepts which may not be learned in a table."""
        known = list(fields)
        outside = self._outside(table, known)
        for field in known:
            beside = _beside(field, known)
            if field.name.endswith(_SOURCE_VALUE) and beside:
                told = [_any_denied(beside), *(outside if beside[0] in self._own(table, known) else ())]
                yield f"SELECT {identifier(field.name)} AS code FROM ({select}) WHERE {' OR '.join(told)}"

    def sources(self, table: str, fields: Iterable[Field], select: str) -> Iterator[str]:
        """Write the SELECT of the source concepts of a table's records that no list allows."""
        known = list(fields)
        for source in self._own(table, known)[1:]:
            for outside in self._outside(table, known):
                yield f"SELECT {identifier(source)} AS concept_id FROM ({select}) WHERE {outside}"

    def _outside(self, table: str, fields: list[Field]) -> list[str]:
        """Whether a record has a concept that is not among those allowed; nothing where all are."""
        if not self._is_bound(table):
            return []
        concept = identifier(self._own(table, fields)[0])
        return [f"({concept} <> 0 AND {concept} NOT IN (FROM {ADMITTED}))"]

    def _conditions(self, table: str, fields: list[Field]) -> Iterator[str]:
        own = self._own(table, fields)
        if not own:
            return
        concept = identifier(own[0])
        for name in own:
            yield f"coalesce({identifier(name)}, 0) NOT IN (FROM {DENIED})"
        if self._is_bound(table):
            yield f"coalesce({concept}, 0) IN (FROM {ADMITTED})"
        elif not self.rules.learns_unmapped and table not in _VISITS:
            yield f"coalesce({concept}, 0) <> 0"

    def _values(self, table: str, fields: list[Field]) -> Iterator[tuple[str, str]]:
        own = self._own(table, fields)
        for field in fields:
            beside = _beside(field, fields)
            denied = [_any_denied(beside)] if beside and beside[0] not in own else []
            if field.name.endswith(_SOURCE_VALUE):
                denied.append(f"coalesce({identifier(field.name)}, '') IN (FROM {CODES})")
            if field.name in own[1:]:
                denied.append(f"coalesce({identifier(field.name)}, 0) IN (FROM {SOURCES})")
            if denied:
                yield field.name, f"CASE WHEN {' OR '.join(denied)} THEN NULL ELSE {identifier(field.name)} END"

    def _own(self, table: str, fields: list[Field]) -> list[str]:
        """The concept that makes a record what it is, and its source concept; none of a table of persons or places."""
        parts = roles(self.version).get(table)
        if table == "note":
            return ["note_type_concept_id"]
        if parts is None or table == "death":  # the person died, of whatever cause
            return []
        names = {field.name for field in fields}
        return [name for name in (parts.concept_field, parts.source_concept_field) if name in names]

    def _is_bound(self, table: str) -> bool:
        """Whether only listed concepts of the table are learned."""
        is_list = self.rules.admitted_concepts is not None
        return is_list and table in roles(self.version) and table not in (*_VISITS, "death")


def listed(concepts: Iterable[Concept]) -> pa.Table:
    """Return concepts as rows of ``concept_id`` and ``with_descendants``."""
    rows = list(concepts)
    return pa.table(
        {
            "concept_id": pa.array([one.concept_id for one in rows], pa.int64()),
            "with_descendants": pa.array([one.descendants is not False for one in rows], pa.bool_()),
        }
    )


def need_vocabulary(rules: OfCdm, policy: str, cdm: str) -> None:
    """Raise OmopsqlError when descendants were asked for by name, and nothing tells which they are."""
    for one in (*rules.denied_concepts, *(rules.admitted_concepts or ())):
        if one.descendants:
            raise OmopsqlError(
                f"{policy} asks for the descendants of {one.concept_id}, and {cdm} has no table concept_ancestor: "
                "say vocabulary := 'FOLDER' (--vocabulary)"
            )


def _replaced(values: Iterable[tuple[str, str]], select: str) -> str:
    """The SELECT with other values in some columns."""
    replaced = ", ".join(f"{value} AS {identifier(name)}" for name, value in values)
    return f"SELECT * REPLACE ({replaced}) FROM ({select})" if replaced else f"FROM ({select})"


def _any_denied(names: Iterable[str]) -> str:
    return "(" + " OR ".join(f"coalesce({identifier(name)}, 0) IN (FROM {DENIED})" for name in names) + ")"


def _beside(field: Field, fields: Iterable[Field]) -> list[str]:
    """The concepts that say what a field says."""
    return [one.name for one in fields if one.is_concept and _stem(one.name) == _stem(field.name)]


def _stem(column: str) -> str:
    """What a column is about: ``unit`` of unit_concept_id and unit_source_value."""
    return _STEM.sub("", column)
