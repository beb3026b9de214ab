"""The small tables: care sites, providers and locations, known by what they are and not by their keys.

A source's keys never leave it. A care site is known by its name and kind, a provider by specialty and sex, a location
by its country and state; those that enough persons share become rows of the synthetic tables.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

import omopsql
from omopsql.harmonize.cdm import Field, tables

from .columns import arrow_type
from .subjects import TOLD

if TYPE_CHECKING:
    from .attributes import Attributes
    from .generate import Hospital
    from .reading import Site

SMALL_TABLES = {
    "care_site": (
        "care_site_name",
        "care_site_source_value",
        "place_of_service_concept_id",
        "place_of_service_source_value",
    ),
    "provider": ("specialty_concept_id", "specialty_source_value", "gender_concept_id", "gender_source_value"),
    "location": ("state", "country_concept_id", "country_source_value"),
}
ALWAYS = ("cdm_source",)
_SYNTHETIC = "Synthetic data: no row describes a real person"
_EPOCH = date(1970, 1, 1)
_NEWEST = date(2026, 1, 1)  # some sources' dates were shifted far into the future; no release comes from there
_VERSION_5_4 = 756265  # concept: OMOP CDM Version 5.4.0


def reference_labels(site: Site) -> dict[str, dict[int, str]]:
    """Return what the keys of each small table stand for, by the field that refers to it."""
    return {f"{table}_id": _labels(site, table, known_by) for table, known_by in SMALL_TABLES.items()}


def _labels(site: Site, table: str, known_by: tuple[str, ...]) -> dict[int, str]:
    rows = site.cursor.sql(f"FROM ({site.typed(table)})").to_arrow_table()
    names = [name for name in known_by if name in rows.column_names]
    return {row[f"{table}_id"]: _label({name: row[name] for name in names}) for row in rows.to_pylist()}


def _label(known: dict[str, object]) -> str:
    told = {name: value for name, value in known.items() if value is not None}
    return json.dumps(told, sort_keys=True, ensure_ascii=False)


def labels(attributes: Attributes, table: str) -> list[str]:
    """Return what the rows of a small table are known by, in the order of their keys."""
    field = f"{table}_id"
    found = {
        label
        for cells in attributes.cells.values()
        if field in cells.columns
        for label in cells.columns[field].values
        if label != TOLD
    }
    return sorted(found)


def numbered(attributes: Attributes, table: str) -> dict[str, int]:
    """Return the key of each row of a small table by what it is known by."""
    return {label: key for key, label in enumerate(labels(attributes, table), start=1)}


def render(name: str, attributes: Attributes, hospital: Hospital) -> pa.Table:
    """Write a small table, or cdm_source."""
    if name == "cdm_source":
        rows = [_source(hospital)]
    else:
        known = numbered(attributes, name)
        rows = [{**json.loads(label), f"{name}_id": key} for label, key in known.items()]
    fields = tables(hospital.version)[name].values()
    return pa.table({field.name: _column(field, [row.get(field.name) for row in rows]) for field in fields})


def _column(field: Field, values: list[object]) -> pa.Array:
    wanted = arrow_type(field)
    if field.is_required:
        values = [("" if pa.types.is_string(wanted) else 0) if value is None else value for value in values]
    return pa.array(values, wanted)


def _source(hospital: Hospital) -> dict[str, object]:
    """What cdm_source says: that the data are synthetic, and of which model."""
    header = hospital.header
    last = getattr(hospital.models.get("people"), "last", 0)
    released = min(_EPOCH + timedelta(days=int(last)), _NEWEST)
    return {
        "cdm_source_name": "Synthetic data",
        "cdm_source_abbreviation": "synthetic",
        "cdm_holder": "omopsql",
        "source_description": (
            f"{_SYNTHETIC}. Made by omopsql {omopsql.__version__} from a model of {header.persons} persons "
            f"(format {header.format}, cells of at least {header.min_cell} persons)"
        ),
        "source_release_date": released,
        "cdm_release_date": released,
        "cdm_version": hospital.version,
        "cdm_version_concept_id": _VERSION_5_4,
        "vocabulary_version": "not stated",
    }
