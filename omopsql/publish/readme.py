"""The page that a reader of a release sees first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .dictionary import cell
from .facts import Edition, Evidence, Facts
from .marking import NOTICE


def text(about: Any, facts: Facts, evidence: Sequence[Evidence], edition: Edition) -> str:
    """Return README.md: what the data are, how they were judged, how to read and how to verify them."""
    return (
        "\n\n".join(
            filter(
                None,
                (
                    f"# {about.title}",
                    f"**{NOTICE}**",
                    _forced(edition),
                    about.description,
                    f"Version {edition.version} of {edition.identifier}, published {edition.published:%Y-%m-%d}. "
                    f"Licence: {about.licence}",
                    f"## Tables\n\n| table | rows | what it holds |\n|---|---|---|\n{_tables(facts)}",
                    f"## Evidence\n\n| report | verdict | |\n|---|---|---|\n{_reports(evidence)}",
                    _READING,
                    _VERIFYING,
                ),
            )
        )
        + "\n"
    )


def tombstone(about: Any, edition: Edition) -> str:
    """Return README.md of a release that was retracted."""
    return (
        f"# {about.title}: retracted\n\n**These data were retracted on {edition.published:%Y-%m-%d}:** "
        f"{_sentence(edition.retracted or '')}\n\nThe data are gone; delete your copies. What is known of each version "
        "stands in `history.json` and `versions/`.\n"
    )


def _forced(edition: Edition) -> str:
    if edition.forced is None:
        return ""
    told = f"**Published against advice.** The reason that was given: {_sentence(edition.forced)}"
    return f"{told} What spoke against it stands in `manifest.json`."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _tables(facts: Facts) -> str:
    return "\n".join(
        f"| [{table.name}](dictionary/{table.name}.md) | {table.rows:,} | {cell(table.description)} |"
        for table in facts.tables
    )


def _reports(evidence: Sequence[Evidence]) -> str:
    return "\n".join(f"| [{cell(one.title)}]({one.path}) | {one.verdict} | {cell(one.words)} |" for one in evidence)


_READING = """## Reading the data

The tables are Parquet files below `data/`. In DuckDB, `FROM 'data/<table>.parquet'` reads one; where a table has
several files, `FROM 'data/<table>/*.parquet'`. Each file says in its own metadata that it is synthetic, by which model
and seed: `FROM parquet_kv_metadata('data/*.parquet')`. What the columns mean stands below `dictionary/`."""

_VERIFYING = """## Verifying the data

`manifest.json` lists every file with its SHA-256, and `manifest.sig` is its Ed25519 signature. `omopsql verify .`
checks both, and more; give `--key` with the public key that you have from the publisher."""
