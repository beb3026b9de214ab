"""``about.yaml``: what only a steward can say of a data set, and what to write where it is missing or wrong."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omopsql.errors import OmopsqlError, first_line

from .records import codelists

EHDS = "http://data.europa.eu/eli/reg/2025/327/oj"  # Regulation (EU) 2025/327 on the European Health Data Space
PROHIBITIONS = ("re-identification", "distribution", "linkage")


@dataclass(frozen=True)
class Agent:
    """An organisation, and how to reach it: by ``email``, by a ``page``, or both."""

    name: str
    email: str | None = None
    page: str | None = None
    type: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Period:
    """From a day to a day, both included; one of them may be open."""

    start: date | None = None
    end: date | None = None


@dataclass(frozen=True)
class Dataspace:
    """A participant of a data space, and the address at which its connector speaks the Dataspace Protocol."""

    participant: str
    endpoint: str


@dataclass(frozen=True)
class About:
    """What a steward says of a data set. Codes are those of the lists in :mod:`.records.codelists`."""

    title: str
    description: str
    identifier: str
    access: str
    access_url: str
    licence: str
    health_categories: tuple[str, ...]
    health_data_access_body: Agent
    publisher: Agent
    contact: Agent | None = None
    holder: Agent | None = None
    keywords: tuple[str, ...] = ()
    health_themes: tuple[str, ...] = ()
    population: str | None = None
    provenance: str | None = None
    rights: str | None = None
    purposes: tuple[str, ...] = ()
    legal_basis: str | None = None
    legislation: tuple[str, ...] = (EHDS,)
    prohibited: tuple[str, ...] = ("re-identification",)
    retention: Period | None = None
    personal_data: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("ENG",)
    countries: tuple[str, ...] = ()
    frequency: str | None = None
    landing_page: str | None = None
    documentation: tuple[str, ...] = ()
    download_url: str | None = None
    quality_certificate: str | None = None
    text_language: str = "en"
    dataspace: Dataspace | None = None

    @property
    def address(self) -> str:
        """The address that names the data set: its identifier where that is one, else a part of a page about it.

        A page is not the data set that it tells of, so an identifier that is a page's address gives a part of it, too.
        """
        is_address = _is_address(self.identifier) or self.identifier.startswith("urn:")
        if is_address and self.identifier not in self._pages:
            return self.identifier
        page = self.identifier if is_address else self.landing_page or self.access_url
        part = "dataset" if is_address else re.sub(r"[^A-Za-z0-9._~-]+", "-", self.identifier)
        return f"{page.split('#')[0]}#{part}"

    @property
    def _pages(self) -> set[str | None]:
        agents = (self.health_data_access_body, self.publisher, self.contact, self.holder)
        return {self.landing_page, *self.documentation, *(agent.page for agent in agents if agent)}


class _WrongError(ValueError):
    """An entry that cannot be used, told as what to write instead."""


Reader = Callable[[Any], Any]
Ask = Callable[[str], str]


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
        """Whether a record of this access cannot do without it."""
        return self.needed == "always" or (self.needed == "non-public" and access == "NON_PUBLIC")


def read(path: Path) -> About:
    """Read ``about.yaml``.

    Raises OmopsqlError, which tells at once all that is missing, wrong or unknown, and what to write.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OmopsqlError(
            f"{path}: {first_line(error)}; `omopsql publish --init` asks for what it must say"
        ) from error
    return parse(text, str(path))


def parse(text: str, name: str = "about.yaml") -> About:
    """Read the text of an ``about.yaml``; see :func:`read`."""
    said = _yaml(text, name)
    wrong: list[str] = [*_unknown(said)]
    known: dict[str, Any] = {}
    access = said.get("access")
    for entry in ENTRIES:
        given = said.get(entry.name)
        if given in (None, "", [], {}):
            if entry.is_needed(access):
                wrong.append(f"{entry.name} is missing: write {entry.says}")
            continue
        try:
            known[entry.name] = entry.read(given)
        except _WrongError as error:
            wrong.append(f"{entry.name}: {error}")
    if wrong:
        raise OmopsqlError(f"{name}: " + "; ".join(wrong))
    return About(**known)


def interview(ask: Ask, tell: Callable[[str], None]) -> str:
    """Ask a steward for what a record cannot do without, and return a commented ``about.yaml``.

    ``ask`` puts one question and returns the answer; ``tell`` says why an answer cannot be used, and it is asked
    again. What is not asked stands in the file as a comment, to be filled in.
    """
    answers: dict[str, Any] = {}
    for entry in ENTRIES:
        if entry.is_needed(answers.get("access")):
            answers[entry.name] = _asked(entry, ask, tell)
    return commented(answers)


def commented(answers: Mapping[str, Any]) -> str:
    """Return an ``about.yaml`` with these entries; every other one is there as a comment with an example."""
    return "# What only a steward can say of this data set. Lines that begin with # are not read.\n" + "".join(
        f"\n# {entry.says[0].upper()}{entry.says[1:]}.{' Needed.' if entry.needed == 'always' else ''}\n"
        + _written(entry, answers.get(entry.name))
        for entry in ENTRIES
    )


def _written(entry: Entry, answer: Any) -> str:
    if answer is not None:
        return "".join(f"{line}\n" for line in _lines(entry.name, answer))
    return "".join(f"# {line}\n" for line in _lines(entry.name, entry.example))


def _lines(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield f"{name}:"
        yield from (f"  {key}: {_scalar(one)}" for key, one in value.items())
    elif isinstance(value, list):
        yield f"{name}:"
        yield from (f"  - {_scalar(one)}" for one in value)
    else:
        yield f"{name}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=False)


def _asked(entry: Entry, ask: Ask, tell: Callable[[str], None]) -> Any:
    while True:
        answer = _answer(entry, ask)
        try:
            entry.read(answer)
        except _WrongError as error:
            tell(f"{entry.name}: {error}")
        else:
            return answer


def _answer(entry: Entry, ask: Ask) -> Any:
    if isinstance(entry.example, Mapping):
        parts = {part: ask(f"{entry.name}, {part}: {entry.says}").strip() for part in _ASKED_PARTS}
        return {part: answer for part, answer in parts.items() if answer}
    answer = ask(f"{entry.name}: {entry.says}").strip()
    return [part.strip() for part in answer.split(",") if part.strip()] if isinstance(entry.example, list) else answer


_ASKED_PARTS = ("name", "email", "page")


def _yaml(text: str, name: str) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise OmopsqlError("reading about.yaml needs PyYAML: pip install 'omopsql[publish]'") from error
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise OmopsqlError(f"{name}{line} is not YAML: write one `name: value` a line, texts in quotes") from error
    if not isinstance(said, dict):
        raise OmopsqlError(f"{name} says nothing: `omopsql publish --init` asks for what it must say")
    return said


def _unknown(said: Mapping[str, Any]) -> Iterator[str]:
    names = [entry.name for entry in ENTRIES]
    for name in said:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, 1)
            yield f"{name} is no entry of about.yaml" + (f"; did you mean {near[0]}?" if near else ": remove it")


def _text(given: Any) -> str:
    if not isinstance(given, str) or not given.strip():
        raise _WrongError(f"write a text in quotes, not {given!r}")
    return given.strip()


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not re.search(r'[\s<>"{}|\\^`]', text)


def _address(given: Any) -> str:
    text = _text(given)
    if not _is_address(text):
        raise _WrongError(f"write an address that begins with https://, not {text!r}")
    return text


def _email(given: Any) -> str:
    text = _text(given).removeprefix("mailto:")
    if not re.fullmatch(r'[^@\s<>"]+@[^@\s<>"]+\.[^@\s<>"]+', text):
        raise _WrongError(f"write an e-mail address such as data@hospital.example, not {text!r}")
    return text


def _day(given: Any) -> date:
    if type(given) is date:
        return given
    try:
        return date.fromisoformat(str(given))
    except ValueError:
        raise _WrongError(f"write a day as 2031-12-31, not {given!r}") from None


def _tag(given: Any) -> str:
    if not isinstance(given, str) or not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", given):
        raise _WrongError(f"write a language tag such as en or de, not {given!r}")
    return given


def _identifier(given: Any) -> str:
    text = _text(given)
    if re.search(r'[\s<>"{}|\\^`]', text):
        raise _WrongError(f"write one without blanks, quotes and brackets, not {text!r}")
    return text


def _code(codelist: str) -> Reader:
    def code(given: Any) -> str:
        found = codelists.code_of(codelist, _text(given))
        if found is None:
            known = ", ".join(f"{one} ({label})" for one, label in codelists.labels(codelist).items())
            raise _WrongError(f"{given!r} is no code of the list {codelist}; write one of {known}")
        return found

    return code


def _personal_data(given: Any) -> str:
    text = _text(given).removeprefix("https://w3id.org/dpv/dpv-pd#")
    if not re.fullmatch(r"[A-Za-z]+", text):
        raise _WrongError(f"write a term of the Data Privacy Vocabulary such as Age or Gender, not {given!r}")
    return text


def _prohibition(given: Any) -> str:
    if given not in PROHIBITIONS:
        raise _WrongError(f"write {', '.join(PROHIBITIONS)}, not {given!r}")
    return str(given)


def _many(one: Reader) -> Reader:
    def many(given: Any) -> tuple[Any, ...]:
        return tuple(one(item) for item in (given if isinstance(given, list) else [given]))

    return many


def _parts(given: Any, readers: Mapping[str, Reader]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _WrongError(f"write {', '.join(readers)} below it, each on a line of its own, not {given!r}")
    for part in given:
        if part not in readers:
            raise _WrongError(f"{part} is none of {', '.join(readers)}")
    found = {}
    for part, value in given.items():
        if value not in (None, ""):
            try:
                found[part] = readers[part](value)
            except _WrongError as error:
                raise _WrongError(f"{part}: {error}") from None
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
        raise _WrongError("write its name")
    if not parts.keys() & {"email", "page"}:
        raise _WrongError(f"write an email or a page at which to reach {parts['name']}")
    return Agent(**parts)


def _period(given: Any) -> Period:
    period = Period(**_parts(given, {"start": _day, "end": _day}))
    if period.start is None and period.end is None:
        raise _WrongError("write a start, an end, or both")
    if period.start and period.end and period.start > period.end:
        raise _WrongError(f"it ends on {period.end}, before it starts on {period.start}")
    return period


def _dataspace(given: Any) -> Dataspace:
    parts = _parts(given, {"participant": _identifier, "endpoint": _address})
    if len(parts) < 2:
        raise _WrongError("write both, the participant and the endpoint of its connector")
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
