"""What a column is: how its DuckDB type is read as numbers or labels, and how samples are written back."""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import dataclass

import ibis
import ibis.expr.datatypes as ibis_types
import ibis.expr.types as ir

NUMBER = "number"  # cells on a number line: integers, decimals, dates, times, booleans
CATEGORY = "category"  # labels without order
NUMBER_TEXT = "number text"  # text that holds numbers, and some labels such as 'N' beside them
IDENTIFIER = "identifier"  # comes back as fresh dense keys
UNLEARNED = "not learned"  # free text and nested types: comes back NULL

LEARNED = (NUMBER, CATEGORY, NUMBER_TEXT)
KINDS = (*LEARNED, IDENTIFIER, UNLEARNED)

NUMBER_PATTERN = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
PADDED_PATTERN = r"\.[0-9]*0$"
DATE_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"

_INTEGERS = re.compile(r"^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$")


@ibis.udf.scalar.builtin
def epoch_us(moment) -> int:  # type: ignore[no-untyped-def]
    """Microseconds since 1970, or since midnight for a time of day."""


@dataclass(frozen=True)
class Column:
    """One column of a source.

    ``unit`` is the step between numbers (0: none), in the column's own number line: days for dates, seconds for
    timestamps and times. ``decimals`` is how many digits a number text shows after the point; -1 marks a date text.
    ``trimmed`` says that it shows no zeros at the end of them.
    """

    name: str
    type: str
    kind: str
    unit: float = 0.0
    decimals: int = 0
    trimmed: bool = False
    note: str = ""


def first_kind(sql_type: str) -> str:
    """Guess a column's kind from its DuckDB type alone; the values decide the rest."""
    base = sql_type.upper()
    if base.endswith("]") or re.match(r"^(STRUCT|MAP|UNION|BLOB|BIT|INTERVAL|GEOMETRY|VARIANT|TIME WITH)", base):
        return UNLEARNED
    if base in ("VARCHAR", "UUID", "JSON") or base.startswith("ENUM"):
        return CATEGORY
    return NUMBER


def is_integer(sql_type: str) -> bool:
    """Whether a DuckDB type is one of the integers."""
    return bool(_INTEGERS.match(sql_type.upper()))


def bounds(sql_type: str) -> tuple[float, float]:
    """The least and the largest number on a double's grid that a DuckDB type holds: rounding up must not leave it."""
    base = sql_type.upper()
    if base in _BITS:
        signed, bits = _BITS[base]
        return (-(2.0**bits) if signed else 0.0), math.nextafter(2.0**bits, 0.0)
    if base == "FLOAT":
        return -_LARGEST_FLOAT, _LARGEST_FLOAT
    if decimal := _DECIMAL.match(base):
        digits, scale = (int(part) for part in decimal.groups())
        beyond = 10.0 ** (digits - scale)
        largest = min(beyond - 10.0**-scale, math.nextafter(beyond, 0.0))
        return -largest, largest
    return -math.inf, math.inf


_BITS = {"BIGINT": (True, 63), "UBIGINT": (False, 64), "HUGEINT": (True, 127), "UHUGEINT": (False, 128)}
_LARGEST_FLOAT = (2.0 - 2.0**-23) * 2.0**127
_DECIMAL = re.compile(r"^DECIMAL\((\d+), ?(\d+)\)$")


def ibis_type(sql_type: str) -> ibis_types.DataType:
    """The Ibis type under which a column is read."""
    base = sql_type.upper()
    if base == "BOOLEAN":
        return ibis_types.boolean
    if base == "DATE":
        return ibis_types.date
    if base == "TIME":
        return ibis_types.time
    if base.startswith("TIMESTAMP"):
        return ibis_types.timestamp
    if base == "FLOAT":
        return ibis_types.float32
    if base in ("HUGEINT", "UHUGEINT"):  # not a double, so that DuckDB makes one: Arrow has no such integers
        return ibis_types.Decimal(38, 0)
    return ibis_types.string if first_kind(sql_type) == CATEGORY else ibis_types.float64


def number(value: ir.Value, sql_type: str) -> ir.FloatingValue:
    """Read a typed column as a number: days for dates, seconds for timestamps and times, 0 and 1 for booleans."""
    base = sql_type.upper()
    if base == "DATE":
        return value.delta(ibis.date("1970-01-01"), unit="day").cast("float64")
    if base == "TIME":
        return epoch_us(value).cast("float64") / 1e6
    if base.startswith("TIMESTAMP"):
        return epoch_us(value).cast("float64") / 1e6
    if base == "FLOAT":  # through text, so that 0.1 stays 0.1
        return value.cast("string").cast("float64")
    return value.cast("float64")


def number_in_text(value: ir.StringValue, decimals: int) -> ir.FloatingValue:
    """Read the numbers (or dates, ``decimals`` -1) in a text column; other texts become NULL."""
    if decimals < 0:
        days = value.try_cast("date").delta(ibis.date("1970-01-01"), unit="day").cast("float64")
        return ibis.ifelse(value.re_search(DATE_PATTERN), days, ibis.null("float64"))
    return ibis.ifelse(value.re_search(NUMBER_PATTERN), value.try_cast("float64"), ibis.null("float64"))


def shown(column: Column, value: float) -> str:
    """Put a number of a column's line in words: a date as a date, a boolean as a boolean."""
    base = column.type.upper()
    if base == "DATE" or (column.kind == NUMBER_TEXT and column.decimals < 0):
        return str(dt.date(1970, 1, 1) + dt.timedelta(days=math.floor(value)))
    if base.startswith("TIMESTAMP"):
        return str(dt.datetime(1970, 1, 1) + dt.timedelta(seconds=value))
    if base == "TIME":
        return str((dt.datetime(1970, 1, 1) + dt.timedelta(seconds=value)).time())
    if base == "BOOLEAN":
        return str(value > 0).lower()
    return f"{round(value / column.unit) * column.unit if column.unit else value:.10g}"


def number_sql(column: Column, value: str) -> str:
    """Write the SQL that turns a sampled number (the SQL ``value``) back into the column's type."""
    base = column.type.upper()
    if column.kind == NUMBER_TEXT:
        text = _number_text_sql(column, value)
        return text if base == "VARCHAR" else f"TRY_CAST({text} AS {column.type})"
    if base == "DOUBLE":
        return value
    if base == "DATE":
        return _date_sql(value)
    if base == "TIME":
        return f"CAST({_timestamp_sql(value)} AS TIME)"
    if base.startswith("TIMESTAMP") and "WITH" in base:
        return f"to_timestamp({value})"
    if base.startswith("TIMESTAMP"):
        return f"CAST({_timestamp_sql(value)} AS {base})"
    return f"CAST({value} AS {base})"


def _number_text_sql(column: Column, value: str) -> str:
    if column.decimals < 0:
        return f"CAST({_date_sql(value)} AS VARCHAR)"
    padded = f"format('{{:.{column.decimals}f}}', {value})"
    return f"regexp_replace({padded}, '\\.?0+$', '')" if column.trimmed else padded


def _date_sql(value: str) -> str:
    return f"(DATE '1970-01-01' + CAST({value} AS INTEGER))"


def _timestamp_sql(value: str) -> str:
    return f"make_timestamp(CAST(round({value} * 1e6) AS BIGINT))"


def label_sql(column: Column, label: str) -> str:
    """Write the SQL that turns a sampled label into the column's type; rare labels have no place in an ENUM."""
    if column.type == "VARCHAR":
        return f"CAST({label} AS VARCHAR)"
    return f"TRY_CAST(CAST({label} AS VARCHAR) AS {column.type})"


def key_sql(column: Column) -> str:
    """Write the SQL of a fresh key: the number of the row, from 1, in the column's type."""
    if column.type == "UUID":
        return "CAST(format('00000000-0000-4000-8000-{:012d}', row_number) AS UUID)"
    return f"CAST(row_number AS {column.type})"
