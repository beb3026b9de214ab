"""The data set as a catalogue entry of the Dataspace Protocol, with its offer: what a connector shows to others.

Source: Dataspace Protocol 2025-1 (Eclipse Dataspace Working Group), Catalog Protocol.
"""

from __future__ import annotations

from typing import Any

from omopsql.publish.facts import Edition
from omopsql.publish.said import About

from . import odrl
from .rdf import part_of

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"


def catalog(about: About, edition: Edition) -> dict[str, Any]:
    """Return a catalogue of one data set, as the protocol's ``Catalog`` message; of none when it was retracted.

    Without a connector in ``about.yaml`` (dataspace), the service is the page where the data are applied for.
    """
    service = {
        "@id": part_of(about.address, "service"),
        "@type": "DataService",
        "endpointURL": about.dataspace.endpoint if about.dataspace else about.access_url,
    }
    told = {
        "@context": [CONTEXT],
        "@id": part_of(about.address, "catalog"),
        "@type": "Catalog",
        "participantId": about.dataspace.participant if about.dataspace else _participant(about),
        "service": [service],
    }
    return told if edition.retracted else {**told, "dataset": [_dataset(about, edition, service)]}


def _dataset(about: About, edition: Edition, service: dict[str, Any]) -> dict[str, Any]:
    told = {
        "@id": about.address,
        "@type": "Dataset",
        "dct:title": about.title,
        "dct:description": about.description,
        "dct:identifier": edition.identifier,
        "dct:issued": edition.published.date().isoformat(),
        "dct:license": {"@id": about.licence},
        "dct:type": {"@id": "http://publications.europa.eu/resource/authority/dataset-type/SYNTHETIC_DATA"},
        "dcat:keyword": list(about.keywords),
        "dcat:version": edition.version,
        "hasPolicy": [{"@id": part_of(about.address, "offer"), "@type": "Offer", **odrl.rules(about)}],
        "distribution": [{"@type": "Distribution", "format": "HttpData-PULL", "accessService": service}],
    }
    return {name: value for name, value in told.items() if value}


def _participant(about: About) -> str:
    return about.publisher.page or f"mailto:{about.publisher.email}"
