"""What tables and columns of a CDM mean, in words: for the data dictionary and for the records."""

from __future__ import annotations

import csv
from functools import cache

from omopsql.harmonize.cdm import Field, tables
from omopsql.sql_files import sql_folder

_BY_ENDING = (
    ("_source_value", "The code or text of the source for what the row tells."),
    ("_datetime", "The moment, where the time of day is known."),
    ("_date", "The day."),
    ("_time", "The time of day."),
    ("_quantity", "How much or how many."),
    ("quantity", "How much or how many."),
    ("value_as_number", "The result as a number, in the unit beside it."),
    ("value_as_string", "The result as a text."),
    ("range_low", "The lower bound of what is normal."),
    ("range_high", "The upper bound of what is normal."),
    ("year_of_birth", "The year of birth."),
    ("month_of_birth", "The month of birth."),
    ("day_of_birth", "The day of the month of birth."),
    ("_count", "How many records it was derived from."),
    ("_name", "A name."),
    ("_reason", "The reason."),
    ("_number", "A number."),
)


@cache
def _tables() -> dict[str, str]:
    text = sql_folder("publish").joinpath("cdm_tables.csv").read_text(encoding="utf-8")
    return {row["cdm_table"]: row["description"] for row in csv.DictReader(text.splitlines())}


def table_words(name: str) -> str:
    """Say what a table holds."""
    return _tables().get(name, f"The table {name}: synthetic rows, one below the other.")


def column_words(version: str | None, table: str, column: str) -> str:
    """Say what a column holds. ``version`` is that of the CDM; None for flat tables."""
    field = None if version is None else tables(version).get(table, {}).get(column)
    if field is None:
        return f"The synthetic values of {column} in {table}."
    return _of_field(field)


def _of_field(field: Field) -> str:
    if field.is_primary_key and field.foreign_table is None:
        return f"The key of the row in {field.table}."
    if field.is_concept:
        of_domain = f" of the domain {field.domain}" if field.domain else ""
        kind = "source concept" if "_source_concept_id" in field.name else "concept"
        return f"The {kind}{of_domain} (concept.concept_id); 0 stands for none."
    if field.foreign_table is not None:
        return f"Refers to {field.foreign_table}.{field.foreign_field}."
    return next((words for ending, words in _BY_ENDING if field.name.endswith(ending)), f"{field.name} of the CDM.")
