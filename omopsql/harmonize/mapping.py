"""From source codes to standard concepts: the source's own map first, then the vocabulary's.

Codes are mapped once each, not once a row: the distinct codes of the records are looked up; records join the answer.
"""

from __future__ import annotations

from functools import cache

import ibis
import ibis.expr.types as ir

from .records import CODE, VOCABULARY

TARGETS = {
    VOCABULARY: "string",
    CODE: "string",
    "part": "int64",
    "source_concept_id": "int64",
    "target_concept_id": "int64",
    "target_domain_id": "string",
    "value_concept_id": "int64",
    "is_known": "boolean",
}


@ibis.udf.scalar.builtin(database="omopsql")
def clean_code(code: str, vocabulary: str) -> str:  # type: ignore[empty-body]
    """The form in which codes of a vocabulary compare."""


@ibis.udf.scalar.builtin(database="omopsql")
def ndc_forms(code: str) -> list[str]:  # type: ignore[empty-body]
    """The 11-digit forms that an NDC may have."""


@ibis.udf.scalar.builtin(database="omopsql")
def ucum(unit: str) -> str:  # type: ignore[empty-body]
    """The UCUM code of a unit as sources write it."""


@cache
def code_targets_sql(schema: str) -> str:
    """Write the query of ``code_targets`` over the tables codes, concept_map, code_map and concept of a schema."""
    columns = {
        "codes": {VOCABULARY: "string", CODE: "string"},
        "concept_map": {
            "source_vocabulary_id": "string",
            "source_code": "string",
            "source_concept_id": "int64",
            "target_concept_id": "int64",
        },
        "code_map": {
            "vocabulary_id": "string",
            "clean_code": "string",
            "source_concept_id": "int64",
            "target_concept_id": "int64",
            "target_domain_id": "string",
            "value_concept_id": "int64",
        },
        "concept": {"concept_id": "int64", "domain_id": "string"},
    }
    relations = (ibis.table(of_table, name=name, database=schema) for name, of_table in columns.items())
    return str(ibis.to_sql(code_targets(*relations), dialect="duckdb"))


def code_targets(codes: ir.Table, concept_map: ir.Table, code_map: ir.Table, concept: ir.Table) -> ir.Table:
    """Map distinct codes (source_vocabulary_id, source_code) to standard concepts.

    One row for each target, numbered by ``part`` from 0 by concept; one row without a target where there is none.
    ``is_known`` says that the code stands in a map or a vocabulary at all. ``concept_map`` are rows of
    source_to_concept_map, ``code_map`` those of ``code_map.code_map``.
    """
    own = _by_concept_map(codes, concept_map, concept)
    left = codes.anti_join(own, [VOCABULARY, CODE])
    looked_up = _by_code_map(left, code_map)
    ambiguous = left.anti_join(looked_up, [VOCABULARY, CODE])
    by_ndc = _by_ndc_forms(ambiguous, code_map)
    found = ibis.union(own, looked_up, by_ndc)
    unknown = codes.anti_join(found, [VOCABULARY, CODE]).mutate(
        source_concept_id=ibis.null("int64"),
        target_concept_id=ibis.null("int64"),
        target_domain_id=ibis.null("string"),
        value_concept_id=ibis.null("int64"),
        is_known=ibis.literal(False),
    )
    every = ibis.union(found, unknown)
    numbered = ibis.row_number().over(group_by=[VOCABULARY, CODE], order_by=every["target_concept_id"])
    return every.mutate(part=numbered).select(*TARGETS)


def _by_concept_map(codes: ir.Table, concept_map: ir.Table, concept: ir.Table) -> ir.Table:
    rows = concept_map.select(
        of_vocabulary=concept_map["source_vocabulary_id"],
        of_code=concept_map["source_code"],
        mapped_source=concept_map["source_concept_id"],
        mapped_target=concept_map["target_concept_id"].nullif(0),
    ).distinct()
    joined = codes.inner_join(rows, [codes[VOCABULARY] == rows["of_vocabulary"], codes[CODE] == rows["of_code"]])
    domains = concept.select(of_concept=concept["concept_id"], target_domain_id=concept["domain_id"])
    with_domain = joined.left_join(domains, joined["mapped_target"] == domains["of_concept"])
    return with_domain.select(
        VOCABULARY,
        CODE,
        source_concept_id=with_domain["mapped_source"].nullif(0).cast("int64"),
        target_concept_id=with_domain["mapped_target"].cast("int64"),
        target_domain_id=with_domain["target_domain_id"],
        value_concept_id=ibis.null("int64"),
        is_known=ibis.literal(True),
    ).distinct()


def _by_code_map(codes: ir.Table, code_map: ir.Table) -> ir.Table:
    cleaned = codes.mutate(cleaned=clean_code(codes[CODE], codes[VOCABULARY]))
    return _matched(cleaned, code_map)


def _by_ndc_forms(codes: ir.Table, code_map: ir.Table) -> ir.Table:
    """An NDC of fewer than 11 digits may be meant in several ways. It is taken where the vocabulary knows just one."""
    ambiguous = codes.filter(codes[VOCABULARY] == "NDC")
    forms = ambiguous.mutate(cleaned=ndc_forms(ambiguous[CODE]).unnest())
    known = forms.semi_join(
        code_map.filter(code_map["vocabulary_id"] == "NDC"), forms["cleaned"] == code_map["clean_code"]
    )
    meant = known.group_by([VOCABULARY, CODE]).agg(cleaned=known["cleaned"].min(), ways=known["cleaned"].nunique())
    return _matched(meant.filter(meant["ways"] == 1).drop("ways"), code_map)


def _matched(cleaned: ir.Table, code_map: ir.Table) -> ir.Table:
    joined = cleaned.inner_join(
        code_map, [cleaned[VOCABULARY] == code_map["vocabulary_id"], cleaned["cleaned"] == code_map["clean_code"]]
    )
    return joined.select(
        VOCABULARY,
        CODE,
        source_concept_id=joined["source_concept_id"].cast("int64"),
        target_concept_id=joined["target_concept_id"].cast("int64"),
        target_domain_id=joined["target_domain_id"],
        value_concept_id=joined["value_concept_id"].cast("int64"),
        is_known=ibis.literal(True),
    ).distinct()


def unit_targets(units: ir.Table, concept: ir.Table) -> ir.Table:
    """Map distinct texts of units (unit) to UCUM concepts (unit, unit_concept_id); texts without one are left out."""
    of_ucum = concept.filter(concept["vocabulary_id"] == "UCUM")
    known = of_ucum.select("concept_id", "standard_concept", code=clean_code(of_ucum["concept_code"], "UCUM"))
    coded = units.mutate(cleaned=clean_code(ucum(units["unit"]), "UCUM"))
    joined = coded.inner_join(known, coded["cleaned"] == known["code"])
    preference = ibis.row_number().over(
        group_by="unit", order_by=[joined["standard_concept"].isnull(), joined["concept_id"]]
    )
    placed = joined.mutate(place=preference)
    return placed.filter(placed["place"] == 0).select("unit", mapped_unit=placed["concept_id"].cast("int64"))
