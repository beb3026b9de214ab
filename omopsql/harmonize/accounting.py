"""Accounting: what became of every source row, what was left out of rows that were loaded, and unknown codes."""

from __future__ import annotations

from dataclasses import dataclass, field

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier
from omopsql.relation import arrow_batches

from . import source as sources
from .adapter import AdapterFile
from .cdm import VOCABULARY_TABLES, roles, tables
from .outcomes import MAPPED, NOTE, SET_ASIDE, Line, Outcomes, to_table
from .records import LOST, ROW, Shape
from .route import FILE, SOURCE_ROW
from .source import Source
from .workspace import BUILD, CDM, Workspace

UNKNOWN_CODE = "code not in the vocabulary"
UNREAD = "the adapter does not read this table"
UNREADABLE = "the line cannot be read"
_BATCH_ROWS = 1 << 20
_REFERRED = ("visit_occurrence", "visit_detail", "provider", "care_site", "location", "payer_plan_period")


@dataclass
class Accounting:
    """The outcomes of the rows of each source table, and notes."""

    work: Workspace
    source: Source
    version: str
    notes: list[Line] = field(default_factory=list)
    outcomes: dict[str, Outcomes] = field(default_factory=dict)

    def note_lost(self, shape: Shape, records: ir.Table) -> None:
        """Count texts that a number column could not take."""
        for lost in (name for name in records.columns if name.startswith(LOST)):
            n, example = self.work.con.execute(
                f"SELECT count({identifier(lost)}), min_by({identifier(lost)}, {ROW}) FROM {BUILD}.records "
                "WHERE set_aside IS NULL"
            ).fetchall()[0]
            if n:
                reason = f"{lost.removeprefix(LOST)} is no number and left NULL"
                self.notes.append((shape.file.rows_of or str(shape.file.cdm_table), NOTE, reason, n, example))

    def check_rows(self, file: AdapterFile) -> None:
        """Raise OmopsqlError when a record of the file comes from no row of the table that it accounts for."""
        if file.rows_of is None:
            return
        rows = self._outcomes_of(file.rows_of).rows
        is_of_it = f"{ROW} IS NOT NULL AND {ROW} BETWEEN 1 AND {rows}"
        strange = f"SELECT {ROW} FROM {BUILD}.records WHERE NOT ({is_of_it}) ORDER BY ALL LIMIT 1"
        for (row,) in self.work.con.execute(strange).fetchall():
            raise OmopsqlError(
                f"{file.name}.sql selects source_row {'NULL' if row is None else row}, but {file.rows_of}, the first "
                f"table that it reads, has {rows} rows, numbered from 1; select its source_row, or leave that out"
            )

    def set_aside(self, file: AdapterFile, tells_rows: bool) -> None:
        """Take over why records of a file were set aside. Without numbers of rows, all rows count as mapped."""
        if file.rows_of is None:
            return
        outcomes = self._outcomes_of(file.rows_of)
        if not tells_rows:
            outcomes.is_read_whole = True
            return
        found = self.work.con.execute(
            f"SELECT set_aside, list(source_row), min_by(example, source_row) FROM {BUILD}.records "
            "WHERE set_aside IS NOT NULL GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        for reason, rows, example in found:
            outcomes.set_aside(np.array(rows, np.int64), reason, example)

    def _outcomes_of(self, name: str) -> Outcomes:
        lowered = name.lower()
        if lowered not in self.outcomes:
            self.outcomes[lowered] = Outcomes(lowered, self.work.count(f"{sources.SCHEMA}.{identifier(lowered)}"))
        return self.outcomes[lowered]

    def drop_unknown_references(self) -> None:
        """A visit, provider or place that nobody defines becomes NULL, and is counted."""
        for name, fields in tables(self.version).items():
            for column in fields:
                referred = column.removesuffix("_id")
                if referred in _REFERRED and referred != name and column.endswith("_id"):
                    self._drop_unknown(name, column, referred)

    def _drop_unknown(self, name: str, column: str, referred: str) -> None:
        owner, key = identifier(CDM, name), identifier(column)
        is_unknown = (
            f"t.{key} IS NOT NULL AND NOT EXISTS (FROM {identifier(CDM, referred)} AS r WHERE r.{key} = t.{key})"
        )
        counted = f"SELECT count(*), min(t.{key}) FROM {owner} AS t WHERE {is_unknown}"
        n, example = self.work.con.execute(counted).fetchall()[0]
        if n:
            self.work.con.execute(f"UPDATE {owner} AS t SET {key} = NULL WHERE {is_unknown}")
            self.notes.append((name, NOTE, f"{column} is unknown and left NULL", n, str(example)))

    def report(self, files: list[AdapterFile]) -> pa.Table:
        """Account for every row of every source table."""
        for name in tables(self.version).keys() - VOCABULARY_TABLES:
            self._loaded(name, files)
        lines = list(self.notes)
        for name in self.source.makers:
            if name in self.outcomes:
                reading = [f.name for f in files if f.rows_of and f.rows_of.lower() == name]
                lines += self.outcomes[name].lines(" or ".join(f"{file}.sql" for file in reading))
            else:
                lines.append(self._unread(name))
            rejected, example = self.source.rejected.get(self.source.spelled[name].lower(), (0, ""))
            if rejected:
                reason = UNREADABLE if name in self.source.made else f"{UNREAD}; {UNREADABLE}"
                lines.append((name, SET_ASIDE, reason, rejected, example))
        lines += [*self._unknown_codes(), *self._unknown_targets()]
        spelled = self.source.spelled
        return to_table([(spelled.get(line[0].lower(), line[0]), *line[1:]) for line in lines])

    def _unread(self, name: str) -> Line:
        """A table whose rows no file accounts for."""
        looked_up = name in self.source.made
        try:
            rows = self.source.count(self.work.con, name)
        except OmopsqlError as error:
            return (name, NOTE, f"no table: {error}", 0, None)
        outcome, reason = (MAPPED, "looked up by other rows") if looked_up else (SET_ASIDE, UNREAD)
        return (name, outcome, reason, rows, None)

    def _loaded(self, name: str, files: list[AdapterFile]) -> None:
        parts = roles(self.version).get(name)
        # A table without a domain of its own needs no concept: a death may have no known cause.
        is_mapped = f"{parts.concept_field} <> 0" if parts is not None and parts.domain is not None else "true"
        sql = (
            f"SELECT {FILE}, {SOURCE_ROW}, {is_mapped} AS is_mapped FROM {identifier(CDM, name)} "
            f"WHERE {SOURCE_ROW} IS NOT NULL"
        )
        for batch in arrow_batches(self.work.con, sql, _BATCH_ROWS):
            number, row, mapped = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
            for file_number in np.unique(number):
                file = files[int(file_number) - 1]
                if file.rows_of:
                    of_file = number == file_number
                    self._outcomes_of(file.rows_of).loaded(row[of_file], mapped[of_file].astype(bool))

    def _unknown_codes(self) -> list[Line]:
        found = self.work.con.execute(
            f"SELECT source_table, source_vocabulary_id, sum(n), min_by(source_code, -n) FROM {BUILD}.code_counts "
            "WHERE NOT is_known GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        return [(t, NOTE, f"{UNKNOWN_CODE} {v}", int(n), code) for t, v, n, code in found]

    def _unknown_targets(self) -> list[Line]:
        """Concepts that a concept map leads to, and the vocabulary does not hold: they are taken as they stand."""
        n, example = self.work.con.execute(
            f"SELECT count(*), min(target_concept_id) FROM {BUILD}.concept_map AS m WHERE target_concept_id <> 0 "
            f"AND NOT EXISTS (FROM {BUILD}.concept AS c WHERE c.concept_id = m.target_concept_id)"
        ).fetchall()[0]
        return [("source_to_concept_map", NOTE, "target that the vocabulary lacks", n, str(example))] if n else []
