"""What records say in words of their own: of how data were made, whom they cover, and of their columns."""

from __future__ import annotations

from collections.abc import Iterator

from omopsql.publish.facts import Edition, Facts, Generation

# The types of DuckDB in CSV on the Web; what is not here is told as a string.
_CSVW_TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "integer",
    "SMALLINT": "integer",
    "INTEGER": "integer",
    "BIGINT": "integer",
    "HUGEINT": "integer",
    "UTINYINT": "integer",
    "USMALLINT": "integer",
    "UINTEGER": "integer",
    "UBIGINT": "integer",
    "UHUGEINT": "integer",
    "FLOAT": "double",
    "DOUBLE": "double",
    "DECIMAL": "decimal",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "dateTime",
    "TIMESTAMP WITH TIME ZONE": "dateTime",
    "BLOB": "base64Binary",
}


def csvw_type(duckdb_type: str) -> str:
    """Return the datatype of CSV on the Web, as ``integer`` for ``BIGINT``."""
    return _CSVW_TYPES.get(duckdb_type.upper().split("(")[0].strip(), "string")


def title(name: str) -> str:
    """Return a column's name for reading: ``visit_start_date`` is ``Visit start date``."""
    spaced = " ".join(name.replace("_", " ").split())
    return spaced[:1].upper() + spaced[1:] or name


def generation(made: Generation) -> str:
    """Return how synthetic data were made, for a statement of provenance."""
    noise = (
        "No noise was added"
        if made.epsilon is None
        else f"Noise was added for differential privacy with epsilon {made.epsilon:g}"
        + ("" if made.delta is None else f" and delta {made.delta:g}")
    )
    fewest = f", each over at least {made.min_cell}" if made.epsilon is None else ""
    return (
        f"Synthetic data: no row is that of a real person. omopsql {made.omopsql} generated them with seed {made.seed} "
        f"from a model (method {made.method}, SHA-256 {made.model_sha256}) that holds statistics of {made.learned:,} "
        f"persons or rows{fewest}. {noise}."
    )


def coverage(facts: Facts) -> str | None:
    """Return whom the data cover, as far as the data tell."""
    if facts.persons is None:
        return None
    told = f"{facts.persons:,} synthetic persons"
    if facts.youngest is not None and facts.oldest is not None:
        told += f", {facts.youngest} to {facts.oldest} years old"
    if facts.first_day and facts.last_day:
        told += f", with records from {facts.first_day} to {facts.last_day}"
    return told + "."


def version_notes(edition: Edition) -> Iterator[str]:
    """Return what is to be known of this edition: what it replaces, that it was forced, that it was retracted."""
    if edition.replaces:
        yield f"Replaces version {edition.replaces}."
    if edition.forced:
        yield f"Published against advice: {edition.forced}"
    if edition.retracted:
        yield f"Retracted: {edition.retracted}"
