"""The EU's lists of codes: which codes a record may use, and their addresses. The rows of ``sql/publish/*.csv``.

The lists of the Publications Office are kept whole where they are short, and otherwise to what a health data set
of Europe needs; a full address of a list is accepted wherever its code is.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

from omopsql.sql_files import sql_folder


@dataclass(frozen=True)
class Scheme:
    """A list of codes: its address, its title, and the class that DCAT-AP gives to its members."""

    address: str
    member_class: str
    title: str


@dataclass(frozen=True)
class Member:
    """A code of a list, with its address and English label."""

    scheme: Scheme
    address: str
    label: str


@cache
def schemes() -> dict[str, Scheme]:
    """Return the lists by name, as ``healthcategories``."""
    return {row["codelist"]: Scheme(row["scheme"], row["class"], row["title"]) for row in _rows("schemes.csv")}


@cache
def labels(codelist: str) -> dict[str, str]:
    """Return the codes of a list and their labels."""
    return {row["code"]: row["label"] for row in _rows("codelists.csv") if row["codelist"] == codelist}


def code_of(codelist: str, given: str) -> str | None:
    """Return the code that a person gave, as a code or an address of the list; None when the list has no such code."""
    address = schemes()[codelist].address + "/"
    if given.startswith(address):
        return given.removeprefix(address) or None  # lists grow: an address of the list is believed
    return {code.casefold(): code for code in labels(codelist)}.get(given.casefold())


def member(codelist: str, code: str) -> Member:
    """Return a code of a list with its address; its own name is its label where the label is not known."""
    scheme = schemes()[codelist]
    return Member(scheme, f"{scheme.address}/{code}", labels(codelist).get(code, code))


@cache
def _coding_systems() -> dict[str, str]:
    return {row["vocabulary_id"]: row["code"] for row in _rows("eu_coding_systems.csv")}


def coding_system(vocabulary_id: str) -> str:
    """Return the code of an OMOP vocabulary; those without one of their own are OHDSI's standardized vocabularies."""
    return _coding_systems().get(vocabulary_id, "OHDSI-VOCAB")


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(sql_folder("publish").joinpath(name).read_text(encoding="utf-8").splitlines()))
