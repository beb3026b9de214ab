"""Where a record goes, and what it becomes there: by the domain of its standard concept."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from .cdm import Field, Roles, roles, table, table_of_domain
from .records import CODE, REPEAT, REPEATS, ROW, VOCABULARY, Shape

ROUTED = (
    "condition_occurrence",
    "drug_exposure",
    "procedure_occurrence",
    "device_exposure",
    "measurement",
    "observation",
)
_DESTINATIONS = (*ROUTED, "specimen")
_OTHERWISE = "observation"  # where concepts of domains without a table of their own go
_EHR = 32817  # type concept: EHR
FILE, SOURCE_ROW = "_file", "_source_row"  # columns of the tables while they are built
_ROWS_OF_A_FILE, _TARGETS_OF_A_ROW = 1 << 42, 1 << 6  # how keys are made of file, row and target


def routed(shape: Shape, version: str, records: ir.Table, targets: ir.Table | None, concept: ir.Table) -> ir.Table:
    """Join loadable records with the targets of their codes; add ``part``, ``concept_id`` and ``destination``."""
    kept = records.filter(records["set_aside"].isnull())
    if shape.roles is None:
        return kept.mutate(part=ibis.literal(0), destination=ibis.literal(shape.file.cdm_table))
    given = kept[shape.roles.concept_field] if shape.roles.concept_field in kept.columns else ibis.null("int64")
    kept = kept.mutate(given_concept=given.cast("int64"))
    if targets is not None:
        renamed = targets.rename(of_vocabulary=VOCABULARY, of_code=CODE)
        same_code = [
            kept[VOCABULARY] == renamed["of_vocabulary"],
            kept[CODE] == renamed["of_code"],
            kept["given_concept"].isnull(),
        ]
        kept = kept.left_join(renamed, same_code).drop("of_vocabulary", "of_code", "is_known")
    else:
        nothing = {name: ibis.null("int64") for name in ("part", "source_concept_id", "target_concept_id")}
        kept = kept.mutate(**nothing, value_concept_id=ibis.null("int64"), target_domain_id=ibis.null("string"))
    domain = kept["target_domain_id"]
    if shape.roles.concept_field in records.columns and shape.file.cdm_table in ROUTED:
        domains = concept.select(domain_of=concept["concept_id"].cast("int64"), given_domain=concept["domain_id"])
        kept = kept.left_join(domains, kept["given_concept"] == domains["domain_of"]).drop("domain_of")
        domain = ibis.coalesce(kept["target_domain_id"], kept["given_domain"])
    return kept.mutate(
        part=kept["part"].fill_null(0),
        concept_id=ibis.coalesce(kept["given_concept"], kept["target_concept_id"], 0),
        destination=_destination(shape, version, domain),
    )


def _destination(shape: Shape, version: str, domain: ir.StringValue) -> ir.StringValue:
    own = ibis.literal(shape.file.cdm_table)
    if shape.file.cdm_table not in ROUTED:
        return own
    by_domain = {d: t for d, t in table_of_domain(version).items() if t in _DESTINATIONS}
    return domain.isnull().ifelse(own, domain.cases(*by_domain.items(), else_=_OTHERWISE))


def rows_of(
    shape: Shape, version: str, kept: ir.Table, destination: str, file_number: int, mapped: dict[str, ir.Table]
) -> ir.Table:
    """The rows of ``kept`` that go to ``destination``, in the CDM's columns, then the number of the file and the row.

    ``mapped`` gives, for each coded column x beside the main one, its targets (of_vocabulary, of_code, x_concept,
    x_source_concept); under ``unit`` those of units (unit, mapped_unit).
    """
    rows = kept.filter(kept["destination"] == destination)
    for name, targets in mapped.items():
        if name == "unit":
            rows = rows.left_join(targets, rows["unit_source_value"] == targets["unit"]).drop("unit")
        else:
            same = [
                rows[f"{name}_vocabulary_id"] == targets["of_vocabulary"],
                rows[f"{name}_source_value"] == targets["of_code"],
            ]
            rows = rows.left_join(targets, same).drop("of_vocabulary", "of_code")
    fields = table(version, destination)
    into = roles(version).get(destination)
    values = {
        name: _value(rows, field, _from_field(shape.roles, into, name)).cast(_stored(field))
        for name, field in fields.items()
    }
    key = into.key_field if into else next((name for name, field in fields.items() if field.is_primary_key), None)
    if key in fields and fields[key].is_primary_key:
        values[key] = _key(shape, rows, key, destination, file_number)
    if into is not None and shape.roles is not None:
        _fill_event(values, rows, fields, into)
    return rows.select(**values, **{FILE: ibis.literal(file_number, "int32"), SOURCE_ROW: rows[ROW]})


def _stored(field: Field) -> str:
    return {"BIGINT": "int64", "INTEGER": "int32", "DOUBLE": "float64", "DATE": "date", "TIMESTAMP": "timestamp"}.get(
        field.type, "string"
    )


def _from_field(own: Roles | None, into: Roles | None, name: str) -> str:
    """The field of the file's table that plays the part of ``name`` in the destination; else that of the same name."""
    if own is None or into is None:
        return name
    for part in vars(into):
        if part.endswith("_field") and getattr(into, part) == name:
            return getattr(own, part) or name
    return name


def _value(rows: ir.Table, field: Field, origin: str) -> ir.Value:
    stem = field.name.removesuffix("_concept_id")
    if f"mapped_{field.name}" in rows.columns:
        mapped = rows[f"mapped_{field.name}"]
        return ibis.coalesce(rows[origin], mapped) if origin in rows.columns else _or_nothing(mapped, field)
    if stem == "unit" and "mapped_unit" in rows.columns:
        given = rows[origin] if origin in rows.columns else ibis.null("int64")
        unmapped = ibis.ifelse(rows["unit_source_value"].notnull(), 0, ibis.null("int64"))
        return ibis.coalesce(given, rows["mapped_unit"], unmapped)
    if origin in rows.columns:
        return _or_nothing(rows[origin], field)
    return ibis.literal(0) if field.is_required and field.is_concept else ibis.null(_stored(field))


def _or_nothing(value: ir.Value, field: Field) -> ir.Value:
    """Required concepts that are not known are 0."""
    return value.fill_null(0) if field.is_required and field.is_concept else value


def _key(shape: Shape, rows: ir.Table, key: str, destination: str, file_number: int) -> ir.IntegerValue:
    """The source's own key, or one made of the file, the row, the record of the row and the target's number."""
    record = rows[ROW] * rows[REPEATS] + rows[REPEAT] if REPEAT in rows.columns else rows[ROW]
    made = record * _TARGETS_OF_A_ROW + rows["part"] + file_number * _ROWS_OF_A_FILE
    if key not in rows.columns or shape.file.cdm_table != destination:
        return made
    return ibis.ifelse((rows["part"] == 0) & rows[key].notnull(), rows[key], made)


def _fill_event(values: dict[str, ir.Value], rows: ir.Table, fields: dict[str, Field], into: Roles) -> None:
    """What an event row needs beside what was selected: its concepts, its type, an end where one is required."""
    values[into.concept_field] = _or_nothing(rows["concept_id"], fields[into.concept_field]).cast("int32")
    if into.source_concept_field:
        given = values[into.source_concept_field]
        values[into.source_concept_field] = ibis.coalesce(given, rows["source_concept_id"], 0).cast("int32")
    values[into.type_field] = ibis.coalesce(values[into.type_field].nullif(0), _EHR).cast("int32")
    if "value_as_concept_id" in fields:
        values["value_as_concept_id"] = ibis.coalesce(values["value_as_concept_id"], rows["value_concept_id"]).cast(
            "int32"
        )
    if into.end_date_field and fields[into.end_date_field].is_required:
        start = values[into.start_date_field]
        supplied = start
        if "days_supply" in rows.columns:
            days = rows["days_supply"]
            supplied = ibis.ifelse(days > 0, start + (days - 1).as_interval("D"), start).cast("date")
        values[into.end_date_field] = ibis.coalesce(values[into.end_date_field], supplied, start)
