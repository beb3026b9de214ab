"""What can have attributes: the records of each table, and what a person is said to be. Which fields are attributes.

A subject's fields are of two kinds. Codes are read as they are: concepts, source codes, small references. Numbers are
whole numbers on an ordered axis: days until the end, minutes of the day, thousandths of a quantity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from omopsql.harmonize.cdm import Field, roles, tables

from .plan import TABLES

END, MINUTE, END_MINUTE = "end", "minute", "end_minute"
BIRTH_TOLD = "birth_told"  # how exactly: year, month, day or time
TOLD = "told"  # in the place of a provider, who follows from the record's visit
NUMBERS = (  # a number's place here is public; never reorder, only append
    END,
    MINUTE,
    END_MINUTE,
    "verbatim_end",
    "quantity",
    "days_supply",
    "refills",
    "range_low",
    "range_high",
    "episode_number",
)
SCALE = {"quantity": 1000, "range_low": 1000, "range_high": 1000}  # steps of a number; 1 otherwise

_SUBJECTS = (  # with table and field of the concept; a place here is public: never reorder, only append
    *((name, name, None) for name in TABLES),
    ("visit_detail", "visit_detail", "visit_detail_concept_id"),
    ("gender", "person", "gender_concept_id"),
    ("race", "person", "race_concept_id"),
    ("ethnicity", "person", "ethnicity_concept_id"),
    ("home", "person", "gender_concept_id"),
    ("death", "death", None),
    ("observation_period", "observation_period", None),
)
_WITHOUT_TEXT = frozenset(  # texts that name one thing or one person, or are free
    {"unique_device_id", "production_id", "lot_number", "sig", "note_title", "note_text", "value_source_value"}
    | {"specimen_source_id", "person_source_value", "note_source_value", "measurement_time"}
)
_POINTERS = frozenset({"meas_event_field_concept_id", "obs_event_field_concept_id", "note_event_field_concept_id"})
_REFERENCES = ("provider_id", "care_site_id", "location_id")
LONGEST = 60  # characters of a text that is a code


@dataclass(frozen=True)
class Subject:
    """One thing that has attributes: its public number, its table, the field of its concept, and its attributes."""

    number: int
    name: str
    table: str
    concept: str | None
    codes: tuple[str, ...]
    numbers: tuple[str, ...]
    own: frozenset[str]  # codes that belong to the concept and to no other


@cache
def subjects(version: str) -> dict[str, Subject]:
    """Return the subjects of a CDM version, by name."""
    known = tables(version)
    return {
        name: _subject(version, number, name, table, concept)
        for number, (name, table, concept) in enumerate(_SUBJECTS)
        if table in known
    }


def concept_field(version: str, table: str) -> str | None:
    """Return the field that makes an item of a record of a table."""
    if table == "note":
        return "note_type_concept_id"
    parts = roles(version).get(table)
    return parts.concept_field if parts and table in TABLES else None


def _subject(version: str, number: int, name: str, table: str, concept: str | None) -> Subject:
    concept = concept or concept_field(version, table)
    fields = tables(version)[table]
    if table == "person":
        return Subject(number, name, table, concept, _codes_of_person(name), (), frozenset())
    codes = tuple(field.name for field in fields.values() if _is_code(field) and field.name != concept)
    own = frozenset(code for code in codes if concept and code.startswith(_stem(concept) + "_source"))
    return Subject(number, name, table, concept, codes, _numbers(version, table), own)


def _codes_of_person(name: str) -> tuple[str, ...]:
    if name == "home":
        return (*_REFERENCES, BIRTH_TOLD)
    return (f"{name}_source_value", f"{name}_source_concept_id")


def _stem(concept: str) -> str:
    return concept.removesuffix("_concept_id")


def _is_code(field: Field) -> bool:
    if field.name in _WITHOUT_TEXT or field.name in _POINTERS:
        return False
    return field.is_concept or field.name in _REFERENCES or field.type.startswith("VARCHAR")


@cache
def _numbers(version: str, table: str) -> tuple[str, ...]:
    """The numbers of a table's records. Ends and minutes of visits are learned by the visits' layer."""
    fields, parts = tables(version)[table], roles(version).get(table)
    found = [name for name in NUMBERS if name in fields]
    if table == "drug_exposure":
        found.append("verbatim_end")
    if table == "note":
        found.append(MINUTE)
    if parts is not None and table not in ("visit_occurrence", "visit_detail", "death"):
        found += [END] if parts.end_date_field else []
        found += [MINUTE] if parts.start_datetime_field else []
        found += [END_MINUTE] if parts.end_datetime_field else []
    return tuple(name for name in NUMBERS if name in found)
