"""The records of a release: what others read to find it, judge it and ask for it.

====================================  ===========================================================
``records/healthdcat.ttl, .jsonld``   HealthDCAT-AP, Release 8: for health data access bodies and EU catalogues
``records/croissant.json``            Croissant 1.1: for machine-learning tools
``records/dataspace.json``            Dataspace Protocol 2025-1: a catalogue entry with its ODRL offer
``records/edc/*.json``                the management API of an Eclipse EDC connector
``evidence/generation.jsonld``        PROV-O: how the data were made
====================================  ===========================================================
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omopsql.errors import OmopsqlError
from omopsql.publish.facts import Edition, Evidence, Facts
from omopsql.publish.said import About

from . import croissant, dataspace, edc, healthdcat, prov, shapes


def write(folder: Path, about: About, facts: Facts, evidence: Sequence[Evidence], edition: Edition) -> list[Path]:
    """Write every record of a release below ``folder``, and return their paths.

    Raises OmopsqlError, before a file is written, when the HealthDCAT-AP record lacks something or says it wrongly:
    all of it at once, in a steward's words.
    """
    record = healthdcat.describe(about, facts, evidence, edition)
    faults = shapes.violations(record.graph)
    if faults:
        raise OmopsqlError("; ".join(map(str, faults)))
    texts = {
        "records/healthdcat.ttl": record.turtle(),
        "records/healthdcat.jsonld": record.json_ld(),
        "records/croissant.json": _json(croissant.describe(about, facts, evidence, edition)),
        "records/dataspace.json": _json(dataspace.catalog(about, edition)),
        **_offers(about, facts, edition),
        "evidence/generation.jsonld": _json(prov.log(about, facts, evidence, edition)),
    }
    return [_write(folder / path, text) for path, text in texts.items()]


def validate(path: Path) -> list[shapes.Violation]:
    """Return what a HealthDCAT-AP record, Turtle or JSON-LD, lacks or says wrongly; an empty list when nothing."""
    return shapes.validate(path)


def _offers(about: About, facts: Facts, edition: Edition) -> dict[str, str]:
    """Return the bodies for a connector; what was retracted is not offered."""
    if edition.retracted:
        return {}
    return {f"{edc.FOLDER}/{name}": _json(body) for name, body in edc.bodies(about, facts, edition).items()}


def _json(told: Any) -> str:
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path
