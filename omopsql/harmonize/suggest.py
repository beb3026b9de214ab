"""``suggest_concepts``: standard concepts that source descriptions may mean, for a person to review.

Descriptions and the names of concepts, synonyms among them, are compared as texts. Nothing is learned from mappings, so
nothing is known of a code but its words.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from omopsql.errors import OmopsqlError
from omopsql.quoting import identifier
from omopsql.registry import routine
from omopsql.relation import arrow_batches, resolve
from omopsql.session import CATALOG, Caller

from .suggest_text import NAMES, TAG_DOMAINS, WORDINGS, plain, tag, variants, wordings
from .suggest_vectors import Nearest, Weights
from .vocabulary import open_vocabulary

SCHEMA = pa.schema(
    [
        ("source_code", pa.string()),
        ("source_code_description", pa.string()),
        ("rank", pa.int64()),
        ("score", pa.float64()),
        ("concept_id", pa.int64()),
        ("concept_name", pa.string()),
        ("domain_id", pa.string()),
        ("vocabulary_id", pa.string()),
    ]
)

_MOST = 100  # suggestions for a code
_BLOCK = 50_000  # names compared at once
_SAMPLE = 100_000  # names from which the weights of words are learned
_UNLIKELY_DOMAIN, _OTHER_VOCABULARY = 0.9, 0.97  # what hints take off a score; a description may be tagged wrongly
_NEVER_MEANT = ("Metadata", "Type Concept")  # domains of the CDM's own administration

# Columns of the codes' table, by the names that they may have.
_SPELLINGS = {
    "source_code": ("source_code", "code"),
    "description": ("source_code_description", "description", "source_name", "source_description"),
    "domain_id": ("domain_id", "target_domain_id"),
    "source_vocabulary_id": ("source_vocabulary_id",),
    "frequency": ("frequency", "n", "records"),
}
_CODES, _DESCRIBED, _RANKED, _KINDS = "omopsql_codes", "omopsql_described", "omopsql_ranked", "omopsql_kinds"
_CONCEPT, _SYNONYM = "omopsql_concept", "omopsql_concept_synonym"


@routine(
    family="harmonize",
    schema=SCHEMA,
    examples=(
        "SELECT concept_name FROM omopsql.suggest_concepts('unmapped_codes', vocabulary := 'omopsql_demo/vocabulary') "
        "WHERE source_code = 'D1' AND rank = 1 --> Type 2 diabetes mellitus",
    ),
)
def suggest_concepts(caller: Caller, source: str, k: int = 5, vocabulary: str | None = None) -> pa.Table:
    """Rank the k standard concepts whose names or synonyms come nearest to the description of each source code.

    source is a table or file with the columns source_code and source_code_description (or description, or
    source_name). Optional columns: domain_id keeps to one domain; source_vocabulary_id prefers concepts of the same
    vocabulary; frequency puts frequent codes first. vocabulary is a folder; without it, the vocabulary in use is read.
    score is the cosine of weighted words and letter triples, from 0 to 1, after case, accents, spelling, units and
    common clinical short forms are evened out; a semantic tag such as (disorder) lowers what lies in unlikely domains.
    A code whose description shares nothing with any name has no row. Review the rows, keep the right ones in a table,
    and omopsql.accepted_mappings makes them a source_to_concept_map.
    """
    if not 1 <= k <= _MOST:
        raise OmopsqlError(f"k is {k}; it must lie between 1 and {_MOST}")
    with caller.cursor() as cursor:
        _open_codes(cursor, source)
        _open_concepts(cursor, vocabulary)
        codes = _table(cursor, _described_codes())
        cursor.register(_DESCRIBED, codes)
        return _table(cursor, _answer(cursor, _ranked(cursor, codes, k))).cast(SCHEMA)


def _table(cursor: duckdb.DuckDBPyConnection, expression: ir.Table) -> pa.Table:
    return cursor.sql(str(ibis.to_sql(expression, dialect="duckdb"))).to_arrow_table()


def _open_codes(cursor: duckdb.DuckDBPyConnection, source: str) -> None:
    """Make the codes readable as a view with one name for each column. Raises OmopsqlError when one is missing."""
    relation = resolve(cursor, source)
    present = {name.lower(): name for name in relation.columns}
    selected = []
    for column, spellings in _SPELLINGS.items():
        found = next((present[name] for name in spellings if name in present), None)
        if found is None and column in ("source_code", "description"):
            raise OmopsqlError(f"{source} has no column {' or '.join(spellings)}; it has {', '.join(relation.columns)}")
        kind = "BIGINT" if column == "frequency" else "VARCHAR"
        value = "NULL" if found is None else identifier(found)
        selected.append(f"TRY_CAST({value} AS {kind}) AS {column}")
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW {_CODES} AS SELECT {', '.join(selected)} FROM {relation.sql}")


def _open_concepts(cursor: duckdb.DuckDBPyConnection, vocabulary: str | None) -> None:
    """Make the two tables that hold names readable as views."""
    opened = open_vocabulary(cursor, vocabulary) if vocabulary is not None else None
    for view, name in ((_CONCEPT, "concept"), (_SYNONYM, "concept_synonym")):
        sql = opened.relation(name) if opened else identifier(CATALOG, "vocabulary", name)
        cursor.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS FROM {sql}")


def _described_codes() -> ir.Table:
    """The distinct codes, numbered from 0, most frequent first: with their plain text, their tag and their hints."""
    column = dict.fromkeys(_SPELLINGS, "string") | {"frequency": "int64"}
    codes = ibis.table(column, name=_CODES)
    hints = ("domain_id", "source_vocabulary_id")
    hinted = codes.mutate(**{name: codes[name].strip().nullif("") for name in hints})
    distinct = (
        hinted.filter(hinted["description"].notnull())
        .group_by("source_code", "description", *hints)
        .agg(frequency=hinted["frequency"].sum())
    )
    order = [ibis.desc("frequency", nulls_first=False), "source_code", "description", *hints]
    numbered = distinct.mutate(name_number=ibis.row_number().over(order_by=order).cast("int64"))
    text, tagged = plain(numbered["description"]), tag(numbered["description"])
    return numbered.mutate(text=text, tag=tagged).order_by("name_number")


def _standard() -> ir.Table:
    columns = ("concept_name", "domain_id", "vocabulary_id", "standard_concept")
    concept = ibis.table({"concept_id": "int64"} | dict.fromkeys(columns, "string"), name=_CONCEPT)
    return concept.filter(
        (concept["standard_concept"] == "S"), concept["concept_name"].notnull(), concept["domain_id"].notnull()
    )


def _concept_names() -> ir.Table:
    """Every name of every standard concept (concept_id, domain_id, vocabulary_id, name)."""
    standard = _standard()
    synonym = ibis.table({"concept_id": "int64", "concept_synonym_name": "string"}, name=_SYNONYM)
    synonym = synonym.filter(synonym["concept_synonym_name"].notnull())
    also = standard.inner_join(synonym, "concept_id")
    kept = ("concept_id", "domain_id", "vocabulary_id")
    return ibis.union(
        standard.select(*kept, name=standard["concept_name"]), also.select(*kept, name=also["concept_synonym_name"])
    )


def _ranked(cursor: duckdb.DuckDBPyConnection, codes: pa.Table, k: int) -> pa.Table:
    """Find the best concepts of each code (name_number, rank, score, concept_id)."""
    if not len(codes):
        return pa.table({"name_number": [], "rank": [], "score": [], "concept_id": []})
    kinds = _table(
        cursor, _standard().select("domain_id", "vocabulary_id").distinct().order_by(["domain_id", "vocabulary_id"])
    )
    cursor.register(_KINDS, kinds.append_column("kind", pa.array(range(len(kinds)), pa.int64())))
    cursor.register(WORDINGS, wordings())
    favour = _favour(codes.to_pylist(), kinds.to_pylist())
    cursor.register(NAMES, codes.select(["name_number", "text"]))
    worded = _table(cursor, variants())
    nearest = Nearest(Weights(_sample(cursor)), worded["text"].to_pylist(), worded["name_number"].to_numpy(), favour, k)
    for block in _blocks(cursor):
        nearest.look_at(block["text"].to_pylist(), block["concept_id"].to_numpy(), block["kind"].to_numpy())
    number, place = np.nonzero(nearest.concepts >= 0)
    return pa.table(
        {
            "name_number": number,
            "rank": place + 1,
            "score": np.minimum(nearest.scores[number, place].astype(np.float64), 1.0).round(4),
            "concept_id": nearest.concepts[number, place],
        }
    )


def _favour(codes: list[dict[str, str | None]], kinds: list[dict[str, str]]) -> np.ndarray:
    """What is known of a code besides its text, as factors (codes, kinds).

    Raises OmopsqlError for a domain that no standard concept has.
    """
    domain, vocabulary = (np.array([kind[name] for kind in kinds], object) for name in ("domain_id", "vocabulary_id"))
    plausible = np.isin(domain, _NEVER_MEANT, invert=True).astype(np.float32)
    favour = np.tile(plausible, (len(codes), 1))
    for row, code in zip(favour, codes, strict=True):
        if code["domain_id"]:
            row[:] = domain == code["domain_id"]
            if not row.any():
                raise OmopsqlError(
                    f"domain_id {code['domain_id']!r} of code {code['source_code']!r} is no domain of a standard "
                    f"concept; the vocabulary has {', '.join(sorted(set(domain)))}"
                )
        elif code["tag"]:
            row[~np.isin(domain, TAG_DOMAINS[code["tag"]])] *= _UNLIKELY_DOMAIN
        if code["source_vocabulary_id"] in vocabulary:
            row[vocabulary != code["source_vocabulary_id"]] *= _OTHER_VOCABULARY
    return favour


def _sample(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """Plain names of concepts spread evenly over their numbers: all of them in a small vocabulary."""
    names = _concept_names()
    stride = 1 + _table(cursor, names.agg(n=names.count()))["n"][0].as_py() // _SAMPLE
    sampled = names.filter(names["concept_id"] % stride == 0)
    texts: list[str] = _table(cursor, sampled.select(text=plain(sampled["name"])))["text"].to_pylist()
    return texts or [""]


def _blocks(cursor: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    """Stream the names (concept_id, kind, text) in the order of their concepts."""
    names = _concept_names()
    kinds = ibis.table({"domain_id": "string", "vocabulary_id": "string", "kind": "int64"}, name=_KINDS)
    joined = names.inner_join(kinds, ["domain_id", "vocabulary_id"])
    read = joined.select("concept_id", "kind", text=plain(joined["name"])).order_by("concept_id", "text")
    yield from arrow_batches(cursor, str(ibis.to_sql(read, dialect="duckdb")), _BLOCK)


def _answer(cursor: duckdb.DuckDBPyConnection, ranked: pa.Table) -> ir.Table:
    """Put codes, ranks and concepts together."""
    cursor.register(_RANKED, ranked)
    codes = ibis.table({"name_number": "int64", "source_code": "string", "description": "string"}, name=_DESCRIBED)
    places = ibis.table(
        {"name_number": "int64", "rank": "int64", "score": "float64", "concept_id": "int64"}, name=_RANKED
    )
    joined = codes.inner_join(places, "name_number").inner_join(_standard(), "concept_id")
    named = joined.rename(source_code_description="description").order_by("name_number", "rank")
    return named.select(*SCHEMA.names)
