"""A small CDM without fault: every field of every table filled as every check wants it, in a schema of a database."""

from __future__ import annotations

import duckdb

from omopsql.harmonize.cdm import Field, tables
from omopsql.quality.checks import checks
from omopsql.quoting import identifier

ROWS = 12  # of every table; there are as many persons, each with one row everywhere
DAY, BIRTH = "2020-01-10", "1980-01-01"
MALE_CONDITION, MALE_PROCEDURE, MEASUREMENT, UNIT = 26662, 2004164, 3013721, 8645
OTHER, NOT_STANDARD, ABSENT = 900_000_001, 900_000_002, 999_999_999
_MADE = {  # concepts that are asked for by more than their domain
    ("condition_occurrence", "condition_concept_id"): MALE_CONDITION,
    ("procedure_occurrence", "procedure_concept_id"): MALE_PROCEDURE,
    ("measurement", "measurement_concept_id"): MEASUREMENT,
    ("measurement", "unit_concept_id"): UNIT,
    ("person", "gender_concept_id"): 8507,
}
_TEXTS = {"VARCHAR": "'a text'", "DATE": f"DATE '{DAY}'", "TIMESTAMP": f"TIMESTAMP '{DAY} 10:00:00'"}
_BORN = {"year_of_birth": "1980", "month_of_birth": "1", "day_of_birth": "1", "birth_datetime": f"TIMESTAMP '{BIRTH}'"}
_VOCABULARY = ("concept", "concept_ancestor", "domain", "vocabulary", "concept_class", "relationship")


class SoundCdm:
    """The CDM as a schema of ``con``, which may be changed and set back."""

    def __init__(self, con: duckdb.DuckDBPyConnection, schema: str = "sound", version: str = "5.4") -> None:
        self.con, self.schema, self.version = con, schema, version
        self._concepts: dict[tuple[str | None, str | None], int] = {}
        self._wanted = _wanted(version)
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
        for table, fields in tables(version).items():
            if table not in _VOCABULARY:
                self._make(table, fields)
        self._make_vocabulary()

    def name(self, table: str) -> str:
        """The full name of a table."""
        return identifier(self.schema, table)

    def _make(self, table: str, fields: dict[str, Field]) -> None:
        selected = ", ".join(f"{self._value(table, field)} AS {identifier(field.name)}" for field in fields.values())
        self.con.execute(f"CREATE TABLE {self.name(table)} AS SELECT {selected} FROM range(1, {ROWS + 1}) AS r (i)")

    def _value(self, table: str, field: Field) -> str:
        kind = field.type.split("(")[0]
        if table == "person" and field.name in _BORN:
            return _BORN[field.name]
        asked = self._wanted.get((table, field.name))
        if asked is not None and asked[0] == "concept":
            return f"CAST({self._concept(table, field.name, asked[1:])} AS INTEGER)"
        if asked is not None:
            return "'Drug'" if asked[0] in ("domain", "vocabulary") else "CAST(i AS INTEGER)"
        if field.name.endswith("_id") and kind in ("INTEGER", "BIGINT"):
            return "CAST(i AS INTEGER)"
        return _TEXTS.get(kind, f"CAST(5 AS {kind})")

    def _concept(self, table: str, field: str, kind: tuple[str | None, str | None]) -> int:
        if (table, field) in _MADE:
            self._concepts.setdefault((kind[0], str(_MADE[table, field])), _MADE[table, field])
            return _MADE[table, field]
        return self._concepts.setdefault(kind, 800_000_000 + len(self._concepts))

    def _make_vocabulary(self) -> None:
        rows = [(concept, domain or "Any", kind or "Any", "S") for (domain, kind), concept in self._concepts.items()]
        rows += [(OTHER, "Elsewhere", "Elsewhere", "S"), (NOT_STANDARD, "Any", "Any", None)]
        self.con.execute(
            f"""CREATE TABLE {self.name("concept")} (concept_id INTEGER, concept_name VARCHAR, domain_id VARCHAR,
            vocabulary_id VARCHAR, concept_class_id VARCHAR, standard_concept VARCHAR, concept_code VARCHAR,
            valid_start_date DATE, valid_end_date DATE, invalid_reason VARCHAR)"""
        )
        self.con.executemany(
            f"""INSERT INTO {self.name("concept")} VALUES
            ($1, 'a concept', $2, 'Drug', $3, $4, 'a code', DATE '{DAY}', DATE '{DAY}', NULL)""",
            [list(row) for row in rows],
        )
        ancestor, named = self.name("concept_ancestor"), ("domain", "vocabulary", "concept_class", "relationship")
        self.con.execute(f"CREATE TABLE {ancestor} (ancestor_concept_id INTEGER, descendant_concept_id INTEGER)")
        for table in named:
            self.con.execute(f"CREATE TABLE {self.name(table)} AS SELECT 'Drug' AS {identifier(table + '_id')}")

    def put(self, table: str, field: str, sql: str, rows: int) -> None:
        """Set a field of so many rows, the first ones. ``i`` is the number of the row, from 1."""
        value = sql.replace("$i", "(rowid + 1)")
        self.con.execute(f"UPDATE {self.name(table)} SET {identifier(field)} = {value} WHERE rowid < {rows}")


def _wanted(version: str) -> dict[tuple[str, str], tuple[str | None, ...]]:
    """What the foreign keys of a version lead to: for concepts, their domain and class."""
    found: dict[tuple[str, str], tuple[str | None, ...]] = {}
    for check in checks(version):
        place = (check.cdm_table, check.cdm_field)
        match check.kind.check_name:
            case "isForeignKey":
                found[place] = ("concept", None, None) if check.other_table == "concept" else (check.other_table,)
            case "fkDomain":
                found[place] = ("concept", check.value, found[place][2])
            case "fkClass":
                found[place] = ("concept", found[place][1], check.value)
    return found
