"""What a steward says of a data set, as the records tell it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

EHDS = "http://data.europa.eu/eli/reg/2025/327/oj"  # Regulation (EU) 2025/327 on the European Health Data Space


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
    """What a steward says of a data set. Codes are those of the lists in :mod:`omopsql.publish.records.codelists`."""

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
    references: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
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
        is_named = is_address(self.identifier) or self.identifier.startswith("urn:")
        if is_named and self.identifier not in self._pages:
            return self.identifier
        page = self.identifier if is_named else self.landing_page or self.access_url
        part = "dataset" if is_named else re.sub(r"[^A-Za-z0-9._~-]+", "-", self.identifier)
        return f"{page.split('#')[0]}#{part}"

    @property
    def _pages(self) -> set[str | None]:
        agents = (self.health_data_access_body, self.publisher, self.contact, self.holder)
        return {self.landing_page, *self.documentation, *(agent.page for agent in agents if agent)}


def is_address(text: str) -> bool:
    """Whether a text is an address of the web, without blanks and brackets."""
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not re.search(r'[\s<>"{}|\\^`]', text)
