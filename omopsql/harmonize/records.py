"""From what a file selects to typed records: CDM types, integer keys, and the reason why a row is set aside.

One Ibis expression over the file's SELECT. Nothing is dropped: a row that cannot be loaded carries its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from omopsql.errors import OmopsqlError

from .adapter import AdapterFile
from .cdm import Field, Roles, storage_type

ROW, VOCABULARY, CODE, DESCRIPTION = "source_row", "source_vocabulary_id", "source_code", "source_code_description"
SET_ASIDE, EXAMPLE = "set_aside", "example"
REPEAT, REPEATS = "record_of_row", "records_of_row"  # where a source row becomes several records: which, of how many
_OWN = (ROW, VOCABULARY, CODE, DESCRIPTION, SET_ASIDE)
_KEYS = ("person", "visit_occurrence", "visit_detail", "provider", "care_site", "location", "payer_plan_period")
_DATES = ("DATE", "TIMESTAMP")
_UNREADABLE, LOST = "unreadable_", "lost_"  # texts that set a row aside, and texts that become NULL
_MOMENT = 19  # characters of YYYY-MM-DD HH:MM:SS; a fraction or an offset behind them is left out: times are local
_DAY = 10


@ibis.udf.scalar.builtin(database="omopsql")
def stable_key(text: str) -> int:  # type: ignore[empty-body]
    """The integer key of a source's key."""


@dataclass(frozen=True)
class Shape:
    """What a file's SELECT returns: its columns and types, the CDM fields of its table, and the parts they play."""

    file: AdapterFile
    columns: Mapping[str, str]
    fields: Mapping[str, Field]
    roles: Roles | None

    def check(self) -> None:
        """Raise OmopsqlError for a column that is neither a field of the table nor one of omopsql's own."""
        for name in self.columns:
            if name not in self.fields and name not in _OWN and not name.endswith("_vocabulary_id"):
                raise OmopsqlError(
                    f"{self.file.name}.sql selects {name}, which is no field of {self.file.cdm_table}; its fields are "
                    f"{', '.join(self.fields)}"
                )

    @property
    def coded_columns(self) -> list[str]:
        """Names x for which ``<x>_vocabulary_id`` gives the vocabulary of ``<x>_source_value``."""
        suffix = "_vocabulary_id"
        return [name.removesuffix(suffix) for name in self.columns if name.endswith(suffix) and name != VOCABULARY]


def typed_records(shape: Shape, raw: ir.Table, persons: ir.Table | None) -> ir.Table:
    """Type the rows of ``raw``, the file's SELECT. ``persons`` are those known (person_id), None while they are made.

    Adds ``set_aside``, the reason or NULL, and ``example``, the value that is at fault.
    """
    names = {name.lower(): name for name in raw.columns}
    texts = {name: _text(raw[names[name]]) for name in shape.columns}
    values = {name: _typed(raw[names[name]], field) for name, field in shape.fields.items() if name in names}
    _fill_dates(shape, values)
    code = texts.get(CODE)
    if code is None and shape.roles is not None:
        code = texts.get(shape.roles.source_value_field)
    nothing = ibis.null("string")
    records = raw.select(
        **values,
        **{name: texts[name] for name in shape.columns if name.endswith("_vocabulary_id") and name != VOCABULARY},
        **{
            ROW: raw[names[ROW]].cast("int64") if ROW in names else ibis.row_number() + 1,
            VOCABULARY: texts.get(VOCABULARY, nothing),
            CODE: nothing if code is None else code,
            DESCRIPTION: texts.get(DESCRIPTION, nothing),
        },
        **_unreadable(shape, raw, names, values),
        **{f"own_{name}": texts[name] for name in _named_keys(shape) if name in texts},
        own_reason=texts.get(SET_ASIDE, nothing),
    )
    if persons is not None and "person_id" in values:
        known = persons.select(known_person=persons["person_id"])
        records = records.left_join(known, records["person_id"] == known["known_person"])
    return _with_reasons(shape, records)


def _text(column: ir.Value) -> ir.StringValue:
    text = column if column.type().is_string() else column.cast("string")
    return text.strip().nullif("")


def _typed(column: ir.Value, field: Field) -> ir.Value:
    """Read a column as its field: keys as integers, texts as dates and numbers where they can be read so."""
    if _is_key(field):
        return column.cast("int64") if column.type().is_integer() else stable_key(_text(column))
    kind = storage_type(field)
    if kind == "VARCHAR":
        text = _text(column)
        length = field.type[len("VARCHAR(") : -1] if "(" in field.type else ""
        return text.left(int(length)) if length.isdigit() else text
    wanted = {"DATE": dt.date, "TIMESTAMP": dt.timestamp, "DOUBLE": dt.float64, "INTEGER": dt.int32}.get(kind, dt.int64)
    if not column.type().is_string():
        return column.try_cast(wanted)
    text = _text(column)
    if kind == "DATE":
        return text.left(_DAY).try_cast("date")
    if kind == "TIMESTAMP":
        return text.left(_MOMENT).try_cast("timestamp")
    return text.try_cast(wanted) if kind == "DOUBLE" else text.try_cast("float64").try_cast(wanted)


def _is_key(field: Field) -> bool:
    return field.type == "BIGINT" and (field.is_primary_key or field.foreign_table is not None or _refers(field))


def _refers(field: Field) -> bool:
    return field.name.endswith("_id") and field.name.removesuffix("_id") in _KEYS


def _fill_dates(shape: Shape, values: dict[str, ir.Value]) -> None:
    """A date that is not given comes from its moment, the parts of a birth from its."""
    for name in shape.fields:
        if name.endswith("_date") and f"{name}time" in values and name not in values:
            values[name] = values[f"{name}time"].cast("date")
    born = values.get("birth_datetime")
    if born is not None and shape.file.cdm_table == "person":
        for name, part in (
            ("year_of_birth", born.year()),
            ("month_of_birth", born.month()),
            ("day_of_birth", born.day()),
        ):
            values.setdefault(name, part.cast("int32"))


def _unreadable(
    shape: Shape, raw: ir.Table, names: dict[str, str], values: dict[str, ir.Value]
) -> dict[str, ir.StringValue]:
    """For each date or number that is given as text: that text where it cannot be read; ``lost_`` where it may be."""
    found = {}
    for name, value in values.items():
        field = shape.fields[name]
        if name in names and storage_type(field) != "VARCHAR" and not _is_key(field):
            column = raw[names[name]]
            if column.type().is_string():
                is_lost = storage_type(field) not in _DATES and not field.is_required
                unread = ibis.ifelse(value.isnull(), _text(column), ibis.null("string"))
                found[f"{LOST if is_lost else _UNREADABLE}{name}"] = unread
    return found


def _named_keys(shape: Shape) -> list[str]:
    """The keys that examples show as the source writes them."""
    return [name for name in dict.fromkeys(("person_id", key_field(shape))) if name is not None]


Case = tuple[ir.BooleanValue, str, ir.Value]  # when a row is set aside, why, and the value at fault


def _with_reasons(shape: Shape, records: ir.Table) -> ir.Table:
    """Say why a row is set aside: the adapter's own reason first, then what the CDM cannot hold."""
    nothing = ibis.null("string")
    reason: ir.Value = nothing
    example: ir.Value = nothing
    for condition, text, value in reversed([*_unreadable_cases(shape, records), *_missing_cases(shape, records)]):
        reason, example = ibis.ifelse(condition, ibis.literal(text), reason), ibis.ifelse(condition, value, example)
    own = records["own_reason"]
    unwanted = [n for n in records.columns if n.startswith(_UNREADABLE) or n in ("own_reason", "known_person")]
    records = records.mutate(
        set_aside=ibis.coalesce(own, reason), example=ibis.ifelse(own.notnull(), nothing, example)
    ).drop(*unwanted)
    key = key_field(shape)
    if key is not None and key in records.columns:
        records = _without_repeats(records, key)
    return records.drop(*(f"own_{name}" for name in _named_keys(shape) if f"own_{name}" in records.columns))


def _unreadable_cases(shape: Shape, records: ir.Table) -> Iterator[Case]:
    for name in records.columns:
        if name.startswith(_UNREADABLE):
            column = name.removeprefix(_UNREADABLE)
            kind = "date" if storage_type(shape.fields[column]) in _DATES else "number"
            yield records[name].notnull(), f"{column} is no {kind}", records[name]


def _missing_cases(shape: Shape, records: ir.Table) -> Iterator[Case]:
    """What a row lacks, or contradicts."""
    nothing = ibis.null("string")

    def given(name: str, kind: str) -> ir.Value:
        return records[name] if name in records.columns else ibis.null(kind)

    if "person_id" in shape.fields:
        yield given("person_id", "int64").isnull(), "no person", nothing
        if "known_person" in records.columns:
            yield records["known_person"].isnull(), "unknown person", records["own_person_id"]
    if shape.file.cdm_table == "person":
        yield given("year_of_birth", "int32").isnull(), "no year_of_birth", nothing
    for name in _required_dates(shape):
        yield given(name, "date").isnull(), f"no {name}", nothing
    for start, end in _spans(shape, records.columns):
        yield records[end] < records[start], f"{end} before {start}", records[end].cast("string")


def key_field(shape: Shape) -> str | None:
    """The field that tells the rows of the table apart: the person in ``death``, else the primary key."""
    if shape.roles is not None:
        return shape.roles.key_field
    return next((name for name, field in shape.fields.items() if field.is_primary_key), None)


def _without_repeats(records: ir.Table, key: str) -> ir.Table:
    """Keep the first loadable row of each key."""
    loadable = records[SET_ASIDE].isnull()
    earlier = ibis.row_number().over(group_by=[records[key], loadable], order_by=records[ROW])
    repeats = loadable & records[key].notnull() & (earlier > 0)
    return records.mutate(
        set_aside=ibis.ifelse(repeats, ibis.literal(f"{key} repeats that of an earlier row"), records[SET_ASIDE]),
        example=ibis.ifelse(repeats, records[f"own_{key}"], records[EXAMPLE]),
    )


def _required_dates(shape: Shape) -> list[str]:
    """Required dates that nothing stands in for: an end that is missing is the start."""
    return [n for n, f in shape.fields.items() if f.is_required and f.type in _DATES and not _is_end(n)]


def _is_end(name: str) -> bool:
    return name.endswith(("_end_date", "_end_datetime"))


def _spans(shape: Shape, columns: tuple[str, ...]) -> list[tuple[str, str]]:
    """Pairs of a start and an end that both are there."""
    found = []
    for name in shape.fields:
        if _is_end(name):
            start = name.replace("_end_", "_start_")
            start = start if start in shape.fields else name.replace("_end_", "_")
            if name in columns and start in columns:
                found.append((start, name))
    return found
