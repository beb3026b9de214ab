"""The entries of ``about.yaml``: how each is read, what a steward should write, and an example."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from .records import codelists
from .said import EHDS, Agent, Dataspace, Period, is_address

PROHIBITIONS = ("re-identification", "distribution", "linkage")

Reader = Callable[[Any], Any]


class WrongEntryError(ValueError):
    """An entry that cannot be used, told as what to write instead."""


@dataclass(frozen=True)
class Entry:
    """One entry of ``about.yaml``: how to read it, what a steward should write, and an example.

    ``needed`` is ``always``, ``non-public`` (only there), or empty.
    """

    name: str
    read: Reader
    says: str
    example: Any
    needed: str = ""

    def is_needed(self, access: object) -> bool:
        """Whether a record of this access, a code or an address, cannot do without it."""
        is_non_public = isinstance(access, str) and codelists.code_of("access-right", access) == "NON_PUBLIC"
        return self.needed == "always" or (self.needed == "non-public" and is_non_public)


def _text(given: Any) -> str:
    if not isinstance(given, str) or not given.strip():
        raise WrongEntryError(f"write a text in quotes, not {given!r}")
    return given.strip()


def _address(given: Any) -> str:
    text = _text(given)
    if not is_address(text):
        raise WrongEntryError(f"write an address that begins with https://, not {text!r}")
    return text


def _email(given: Any) -> str:
    text = _text(given).removeprefix("mailto:")
    if not re.fullmatch(r'[^@\s<>"]+@[^@\s<>"]+\.[^@\s<>"]+', text):
        raise WrongEntryError(f"write an e-mail address such as data@hospital.example, not {text!r}")
    return text


def _day(given: Any) -> date:
    if type(given) is date:
        return given
    try:
        return date.fromisoformat(str(given))
    except ValueError:
        raise WrongEntryError(f"write a day as 2031-12-31, not {given!r}") from None


def _tag(given: Any) -> str:
    if not isinstance(given, str) or not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", given):
        raise WrongEntryError(f"write a language tag such as en or de, not {given!r}")
    return given


def _identifier(given: Any) -> str:
    text = _text(given)
    if re.search(r'[\s<>"{}|\\^`]', text):
        raise WrongEntryError(f"write one without blanks, quotes and brackets, not {text!r}")
    return text


def _code(codelist: str) -> Reader:
    def code(given: Any) -> str:
        found = codelists.code_of(codelist, _text(given))
        if found is None:
            known = ", ".join(f"{one} ({label})" for one, label in codelists.labels(codelist).items())
            raise WrongEntryError(f"{given!r} is no code of the list {codelist}; write one of {known}")
        return found

    return code


def _personal_data(given: Any) -> str:
    text = _text(given).removeprefix("https://w3id.org/dpv/dpv-pd#")
    if not re.fullmatch(r"[A-Za-z]+", text):
        raise WrongEntryError(f"write a term of the Data Privacy Vocabulary such as Age or Gender, not {given!r}")
    return text


def _prohibition(given: Any) -> str:
    if given not in PROHIBITIONS:
        raise WrongEntryError(f"write {', '.join(PROHIBITIONS)}, not {given!r}")
    return str(given)


def _many(one: Reader) -> Reader:
    def many(given: Any) -> tuple[Any, ...]:
        return tuple(one(item) for item in (given if isinstance(given, list) else [given]))

    return many


def _parts(given: Any, readers: Mapping[str, Reader]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise WrongEntryError(f"write {', '.join(readers)} below it, each on a line of its own, not {given!r}")
    for part in given:
        if part not in readers:
            raise WrongEntryError(f"{part} is none of {', '.join(readers)}")
    found = {}
    for part, value in given.items():
        if value not in (None, ""):
            try:
                found[part] = readers[part](value)
            except WrongEntryError as error:
                raise WrongEntryError(f"{part}: {error}") from None
    return found


def _agent(given: Any) -> Agent:
    readers = {
        "name": _text,
        "email": _email,
        "page": _address,
        "type": _code("publisher-type"),
        "note": _text,
    }
    parts = _parts(given, readers)
    if "name" not in parts:
        raise WrongEntryError("write its name")
    if not parts.keys() & {"email", "page"}:
        raise WrongEntryError(f"write an email or a page at which to reach {parts['name']}")
    return Agent(**parts)


def _period(given: Any) -> Period:
    period = Period(**_parts(given, {"start": _day, "end": _day}))
    if period.start is None and period.end is None:
        raise WrongEntryError("write a start, an end, or both")
    if period.start and period.end and period.start > period.end:
        raise WrongEntryError(f"it ends on {period.end}, before it starts on {period.start}")
    return period


def _dataspace(given: Any) -> Dataspace:
    parts = _parts(given, {"participant": _identifier, "endpoint": _address})
    if len(parts) < 2:
        raise WrongEntryError("write both, the participant and the endpoint of its connector")
    return Dataspace(**parts)


_HOSPITAL = {"name": "Example Hospital", "email": "data@hospital.example", "type": "healthcare-providers"}
_CONTACT = {"name": "Data office", "email": "data@hospital.example", "page": "https://hospital.example/data"}

ENTRIES = (
    Entry("title", _text, "a name by which people will find the data", "Synthetic diabetes cohort", "always"),
    Entry(
        "description",
        _text,
        "in a few sentences what the data are of, and what they are for",
        "Synthetic patients of a diabetes clinic, for teaching and for trying out analyses.",
        "always",
    ),
    Entry(
        "identifier",
        _identifier,
        "an identifier that no other data set has, best an address or a DOI",
        "https://hospital.example/data/diabetes",
        "always",
    ),
    Entry(
        "access",
        _code("access-right"),
        "PUBLIC (everyone), RESTRICTED (under conditions) or NON_PUBLIC (by permit only)",
        "NON_PUBLIC",
        "always",
    ),
    Entry(
        "access_url",
        _address,
        "the address of the page where the data are had or applied for",
        "https://hospital.example/data/apply",
        "always",
    ),
    Entry(
        "licence",
        _address,
        "the address of the licence or of the conditions of use",
        "https://creativecommons.org/licenses/by/4.0/",
        "always",
    ),
    Entry(
        "health_categories",
        _many(_code("healthcategories")),
        "the categories of EHDS Article 51 that the data belong to, as EHRS for electronic health records",
        ["EHRS"],
        "always",
    ),
    Entry(
        "health_data_access_body",
        _agent,
        "the health data access body (HDAB) that decides on access, and how to reach it",
        {"name": "National Health Data Agency", "email": "info@hdab.example"},
        "always",
    ),
    Entry("publisher", _agent, "who publishes the data, and how to reach them", _HOSPITAL, "always"),
    Entry("contact", _agent, "who answers questions about the data", _CONTACT, "non-public"),
    Entry(
        "keywords",
        _many(_text),
        "words by which people may search, separated by commas",
        ["diabetes", "synthetic data", "OMOP"],
        "non-public",
    ),
    Entry("holder", _agent, "who holds the data, where that is not the publisher", _HOSPITAL),
    Entry(
        "health_themes",
        _many(_code("health-theme")),
        "the health themes, as NONCOMMUNICABLE_DISEASES or CANCER_DISEASE",
        ["NONCOMMUNICABLE_DISEASES"],
    ),
    Entry("population", _text, "whom the data represent", "Adults with diabetes treated in Example Hospital"),
    Entry("provenance", _text, "where the real data came from", "Electronic health records, mapped to OMOP CDM 5.4"),
    Entry("rights", _text, "under which conditions the data may be used", "Use within the data permit only"),
    Entry(
        "purposes",
        _many(_text),
        "the purposes for which the data may be used, as texts or addresses",
        ["Scientific research", "Teaching"],
    ),
    Entry(
        "legal_basis",
        _text,
        "the legal ground on which the real data were processed",
        "GDPR Article 9(2)(j), scientific research",
    ),
    Entry("legislation", _many(_address), "the addresses (ELI) of the laws that apply; the EHDS if not given", [EHDS]),
    Entry("prohibited", _many(_prohibition), f"what nobody may do: {', '.join(PROHIBITIONS)}", ["re-identification"]),
    Entry(
        "retention",
        _period,
        "from when to when the data are available",
        {"start": date(2026, 1, 1), "end": date(2031, 12, 31)},
    ),
    Entry(
        "personal_data",
        _many(_personal_data),
        "which kinds of personal data the columns imitate, in terms of the Data Privacy Vocabulary",
        ["Age", "Gender", "HealthRecord"],
    ),
    Entry("languages", _many(_code("language")), "the languages of the data, as ENG or DEU", ["ENG"]),
    Entry("countries", _many(_code("country")), "the countries that the data cover, as DEU", ["DEU"]),
    Entry("frequency", _code("frequency"), "how often the data are renewed, as NEVER or ANNUAL", "NEVER"),
    Entry("landing_page", _address, "the page about the data set", "https://hospital.example/data/diabetes"),
    Entry("references", _many(_address), "publications that used or cite the data", ["https://doi.org/10.1000/182"]),
    Entry("related", _many(_address), "what else belongs to the data", ["https://hospital.example/data/protocol"]),
    Entry("documentation", _many(_address), "pages that document the data", ["https://hospital.example/data/guide"]),
    Entry(
        "download_url",
        _address,
        "the address below which the files of this release will stand, when everyone may download them",
        "https://hospital.example/data/diabetes/1.0.0/",
    ),
    Entry(
        "quality_certificate",
        _address,
        "the address of a certificate or label of quality",
        "https://hospital.example/data/label",
    ),
    Entry("text_language", _tag, "the language in which you write here, as en", "en"),
    Entry(
        "dataspace",
        _dataspace,
        "your participant and the address of its connector, when you take part in a data space",
        {"participant": "did:web:hospital.example", "endpoint": "https://connector.hospital.example/api/dsp"},
    ),
)
