"""The data set as a catalogue entry of the Dataspace Protocol, with its offer: what a connector shows to others.

Source: Dataspace Protocol 2025-1 (Eclipse Dataspace Working Group), Catalog Protocol.
"""

from __future__ import annotations

from typing import Any

from omopsql.publish.about import About
from omopsql.publish.facts import Edition

from . import odrl

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"


def catalog(about: About, edition: Edition) -> dict[str, Any]:
    """Return a catalogue of one data set, as the protocol's ``Catalog`` message.

    Without a connector in ``about.yaml`` (dataspace), the service is the page where the data are applied for.
    """
    service = {
        "@id": f"{about.address}:service",
        "@type": "DataService",
        "endpointURL": about.dataspace.endpoint if about.dataspace else about.access_url,
    }
    return {
        "@context": [CONTEXT, {"dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/"}],
        "@id": f"{about.address}:catalog",
        "@type": "Catalog",
        "participantId": about.dataspace.participant if about.dataspace else _participant(about),
        "service": [service],
        "dataset": [_dataset(about, edition, service)],
    }


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
        "hasPolicy": [{"@id": offer_id(about), "@type": "Offer", **odrl.rules(about)}],
        "distribution": [{"@type": "Distribution", "format": "HttpData-PULL", "accessService": service}],
    }
    return {name: value for name, value in told.items() if value}


def offer_id(about: About) -> str:
    """Return the identifier of the offer."""
    return f"{about.address}:offer"


def _participant(about: About) -> str:
    return about.publisher.page or f"mailto:{about.publisher.email}"
