"""Running an adapter's files one after the other: records, codes, and the rows of the CDM's tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import ibis
import ibis.expr.types as ir

from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier, literal

from .accounting import Accounting
from .adapter import Adapter, AdapterFile
from .cdm import VERSIONS, roles, storage_type, table, tables
from .mapping import code_targets_sql, unit_targets
from .reading import is_absent
from .records import CODE, DESCRIPTION, REPEAT, REPEATS, ROW, VOCABULARY, Shape, typed_records
from .route import FILE, SOURCE_ROW, routed, rows_of
from .source import Source
from .workspace import BUILD, CDM, Workspace, to_sql

_FIRST = (  # tables that others refer to; those up to person need no person
    "location",
    "care_site",
    "provider",
    "person",
    "payer_plan_period",
    "visit_occurrence",
    "visit_detail",
)
_NAMES_5_3 = {  # fields that 5.4 renamed
    "admitted_from_concept_id": "admitting_source_concept_id",
    "admitted_from_source_value": "admitting_source_value",
    "discharged_to_concept_id": "discharge_to_concept_id",
    "discharged_to_source_value": "discharge_to_source_value",
    "parent_visit_detail_id": "visit_detail_parent_id",
}
_WITHOUT_PERSON = _FIRST[:4]


@dataclass
class Filling:
    """Fills the schema ``cdm`` by the files of an adapter; ``files`` are those that ran, numbered from 1."""

    work: Workspace
    adapter: Adapter
    version: str
    accounting: Accounting
    files: list[AdapterFile] = field(default_factory=list)

    def create_tables(self) -> None:
        """Create the empty tables of the CDM, with the number of the file and of the row behind."""
        for name, fields in tables(self.version).items():
            columns = ", ".join(f"{identifier(n)} {storage_type(f)}" for n, f in fields.items())
            self.work.con.execute(
                f"CREATE TABLE IF NOT EXISTS {identifier(CDM, name)} ({columns}, {FILE} INTEGER, {SOURCE_ROW} BIGINT)"
            )

    def fill(self, source: Source, progress: Callable[[str], None]) -> None:
        """Run the files that ``source`` has tables for, tables that others refer to first."""
        named = [file.cdm_table for file in self.adapter.files if file.cdm_table]
        for cdm_table in (*_FIRST, *(name for name in dict.fromkeys(named) if name not in _FIRST)):
            for file in self.adapter.of_table(cdm_table):
                if not is_absent(file, source):
                    progress(f"Filling {cdm_table}")
                    self._fill(file)

    def _fill(self, file: AdapterFile) -> None:
        self.files.append(file)
        shape = self._select(file)
        raw = self.work.relation(f"{BUILD}.raw")
        persons = None if file.cdm_table in _WITHOUT_PERSON else self.work.relation(f"{CDM}.person")
        records = self._number_repeats(self.work.keep("records", typed_records(shape, raw, persons)))
        tells_rows = ROW in shape.columns
        if tells_rows:
            self.accounting.check_rows(file)
        targets = self._map_codes(shape, records)
        mapped = self._map_columns(shape, records)
        kept = routed(shape, self.version, records, targets, self.work.relation(f"{BUILD}.concept"))
        destinations = kept.select("destination").distinct()
        number = len(self.files)
        for (destination,) in self.work.con.execute(f"FROM ({to_sql(destinations)}) ORDER BY ALL").fetchall():
            rows = rows_of(shape, self.version, kept, destination, number, mapped)
            names = ", ".join(identifier(name) for name in rows.columns)
            self.work.con.execute(f"INSERT INTO {identifier(CDM, destination)} ({names}) {to_sql(rows)}")
        self.accounting.note_lost(shape, records)
        self.accounting.set_aside(file, tells_rows)

    def _number_repeats(self, records: ir.Table) -> ir.Table:
        """Number the records of a source row, where one has several: by what they hold, so that their keys stay."""
        counted = f"SELECT max(n) FROM (SELECT count(*) AS n FROM {BUILD}.records GROUP BY {ROW})"
        most = self.work.con.execute(counted).fetchall()[0][0] or 0
        if most <= 1:
            return records
        place = ibis.row_number().over(group_by=records[ROW], order_by=[records[name] for name in records.columns])
        return self.work.keep("records", records.mutate(**{REPEAT: place, REPEATS: ibis.literal(most, "int64")}))

    def _select(self, file: AdapterFile) -> Shape:
        self.work.run(file, f"CREATE OR REPLACE VIEW {BUILD}.selected AS {file.sql}")
        known = table(self.version, str(file.cdm_table))
        newer = table(VERSIONS[-1], str(file.cdm_table)) if file.cdm_table in tables(VERSIONS[-1]) else known
        kept = []
        for name in self.work.columns(f"{BUILD}.selected"):
            older = _NAMES_5_3.get(name.lower(), name.lower()) if self.version == "5.3" else name.lower()
            if older in known or name.lower() not in newer:  # what only a newer CDM has is left out
                kept.append(f"{identifier(name)} AS {identifier(older)}")
        self.work.run(file, f"CREATE OR REPLACE VIEW {BUILD}.raw AS SELECT {', '.join(kept)} FROM {BUILD}.selected")
        columns = {name.lower(): kind for name, kind in self.work.columns(f"{BUILD}.raw").items()}
        shape = Shape(file, columns, known, roles(self.version).get(str(file.cdm_table)))
        shape.check()
        return shape

    def _map_codes(self, shape: Shape, records: ir.Table) -> ir.Table | None:
        """Count the codes of the loadable records and map each once; None where the file has none."""
        if shape.roles is None or VOCABULARY not in shape.columns:
            return None
        loadable = records.filter(records["set_aside"].isnull() & records[CODE].notnull())
        self.work.keep(
            "codes",
            loadable.group_by([VOCABULARY, CODE]).agg(n=loadable.count(), described=loadable[DESCRIPTION].max()),
        )
        targets = self._map_each("targets")
        self.work.con.execute(
            f"""
            INSERT INTO {BUILD}.code_counts
            SELECT {literal(str(shape.file.cdm_table))}, {literal(shape.file.rows_of or "")}, c.source_vocabulary_id,
                c.source_code, c.described, c.n, bool_or(t.target_concept_id IS NOT NULL), bool_or(t.is_known)
            FROM {BUILD}.codes AS c
            JOIN {BUILD}.targets AS t USING (source_vocabulary_id, source_code)
            GROUP BY ALL
            """
        )
        return targets

    def _map_each(self, into: str) -> ir.Table:
        """Map the codes of the table ``codes`` into the table ``into``."""
        self.work.con.execute(f"CREATE OR REPLACE TABLE {BUILD}.{identifier(into)} AS {code_targets_sql(BUILD)}")
        return self.work.relation(f"{BUILD}.{into}")

    def _map_columns(self, shape: Shape, records: ir.Table) -> dict[str, ir.Table]:
        """Map the codes of columns beside the main one, and units."""
        mapped = {name: self._map_column(shape, records, name) for name in shape.coded_columns}
        if "unit_source_value" in records.columns and "unit" not in mapped:
            units = records.select(unit=records["unit_source_value"]).distinct()
            mapped["unit"] = self.work.keep(
                "units", unit_targets(units.filter(units["unit"].notnull()), self.work.relation(f"{BUILD}.concept"))
            )
        return mapped

    def _map_column(self, shape: Shape, records: ir.Table, name: str) -> ir.Table:
        """Map the codes of one column to the first target of each."""
        value = f"{name}_source_value"
        if value not in records.columns:
            raise OmopsqlError(f"{shape.file.name}.sql selects {name}_vocabulary_id, but no {value}")
        codes = records.select(**{VOCABULARY: records[f"{name}_vocabulary_id"], CODE: records[value]}).distinct()
        self.work.keep("codes", codes.filter(codes[CODE].notnull()))
        targets = self._map_each("targets_of_column")
        concept = "value_as_concept_id" if name == "value" else f"{name}_concept_id"
        selected = {
            "of_vocabulary": targets[VOCABULARY],
            "of_code": targets[CODE],
            f"mapped_{concept}": targets["target_concept_id"],
            f"mapped_{name}_source_concept_id": targets["source_concept_id"],
        }
        return self.work.keep(f"targets_{name}", targets.filter(targets["part"] == 0).select(**selected))
