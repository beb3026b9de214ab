"""What each code of a vocabulary means: its concept, and the standard concepts that this one leads to."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from .vocabulary_files import types_of

_BY_RANK = {  # the lowest rank counts
    "Maps to": 1,
    "Concept replaced by": 2,
    "Concept same_as to": 3,
    "Concept poss_eq to": 4,
}
_SECOND_STEP = 10  # what a second relationship adds: any single one comes before it
_WITH_VALUE = ("Measurement", "Observation")  # domains whose tables have value_as_concept_id


@ibis.udf.scalar.builtin(database="omopsql")
def clean_code(code: str, vocabulary: str) -> str:  # type: ignore[empty-body]
    """The form in which codes of a vocabulary compare."""


def code_map(concept: ir.Table, concept_relationship: ir.Table) -> ir.Table:
    """Map every code of every vocabulary, in its clean form, to standard concepts.

    Returns vocabulary_id, clean_code, source_concept_id, target_concept_id, target_domain_id, target_vocabulary_id
    and value_concept_id: one row for each target, or one row without a target. A standard concept is its own target.
    Others follow `Maps to`, else `Concept replaced by`, `same_as to` or `poss_eq to`, and from a concept not standard
    one relationship more. `Maps to value` goes with the targets of the domains Measurement and Observation. Where
    concepts of a vocabulary share a clean code, the valid one is taken, then the one that is written in the clean form.
    """
    coded = _coded(concept)
    targets = _targets(concept, concept_relationship)
    joined = coded.left_join(targets, coded["concept_id"] == targets["source"])
    return joined.select(
        vocabulary_id=coded["vocabulary_id"],
        clean_code=coded["clean_code"],
        source_concept_id=coded["concept_id"],
        target_concept_id=targets["target"],
        target_domain_id=targets["domain_id"],
        target_vocabulary_id=targets["target_vocabulary_id"],
        value_concept_id=targets["value_concept_id"],
    ).distinct()


def code_map_sql(concept: str, concept_relationship: str) -> str:
    """Write the query of ``code_map`` over two SELECTs."""
    made = code_map(*(_unbound(name) for name in ("concept", "concept_relationship")))
    return (
        f"WITH vocabulary_concept AS NOT MATERIALIZED ({concept}), "
        f"vocabulary_concept_relationship AS NOT MATERIALIZED ({concept_relationship}) "
        f"SELECT * FROM ({ibis.to_sql(made, dialect='duckdb')})"
    )


def _unbound(name: str) -> ir.Table:
    kinds = {"INTEGER": "int32", "VARCHAR": "string", "DATE": "date"}
    schema = {column: kinds[kind] for column, kind in types_of(name).items()}
    return ibis.table(schema, name=f"vocabulary_{name}")


def _coded(concept: ir.Table) -> ir.Table:
    """One concept for each clean code of a vocabulary."""
    cleaned = concept.select(
        "concept_id",
        "vocabulary_id",
        "concept_code",
        "standard_concept",
        "invalid_reason",
        clean_code=clean_code(concept["concept_code"], concept["vocabulary_id"]),
    ).filter(ibis._.clean_code.notnull() & ibis._.vocabulary_id.notnull())
    preference = (
        cleaned["invalid_reason"].notnull(),
        cleaned["concept_code"] != cleaned["clean_code"],
        cleaned["standard_concept"].isnull(),
        cleaned["concept_id"],
    )
    place = ibis.row_number().over(group_by=["vocabulary_id", "clean_code"], order_by=preference)
    placed = cleaned.mutate(place=place)
    return placed.filter(placed["place"] == 0).select("concept_id", "vocabulary_id", "clean_code")


def _targets(concept: ir.Table, concept_relationship: ir.Table) -> ir.Table:
    """The standard concepts of each concept (source), their domains, and the value that goes with them."""
    valid = concept_relationship.filter(concept_relationship["invalid_reason"].isnull())
    best = _best(_paths(concept, valid))
    known = concept.select(
        known="concept_id", domain_id=concept["domain_id"], target_vocabulary_id=concept["vocabulary_id"]
    )
    described = best.inner_join(known, best["target"] == known["known"])
    values = valid.filter(valid["relationship_id"] == "Maps to value").select(
        owner=valid["concept_id_1"], value_concept_id=valid["concept_id_2"]
    )
    goes_with = (described["via"] == values["owner"]) & described["domain_id"].isin(_WITH_VALUE)
    return described.left_join(values, goes_with).select(
        "source", "target", "domain_id", "target_vocabulary_id", "value_concept_id"
    )


def _paths(concept: ir.Table, valid: ir.Table) -> ir.Table:
    """Every way from a concept (source) to a standard one (target) in at most two relationships.

    ``cost`` orders the ways; ``via`` is the concept whose `Maps to` is followed, and whose `Maps to value` counts.
    """
    standard = concept.filter((concept["standard_concept"] == "S") & concept["invalid_reason"].isnull()).select(
        standard="concept_id"
    )
    steps = valid.filter(
        valid["relationship_id"].isin(list(_BY_RANK)) & (valid["concept_id_1"] != valid["concept_id_2"])
    ).select(
        source=valid["concept_id_1"],
        target=valid["concept_id_2"],
        rank=valid["relationship_id"].cases(*_BY_RANK.items()).cast("int32"),
    )
    itself = standard.select(source="standard", target="standard", via="standard", cost=ibis.literal(0, "int32"))
    direct = steps.semi_join(standard, steps["target"] == standard["standard"]).select(
        "source", "target", via="source", cost="rank"
    )
    return itself.union(direct).union(_two_steps(steps, standard))


def _two_steps(steps: ir.Table, standard: ir.Table) -> ir.Table:
    first = steps.anti_join(standard, steps["target"] == standard["standard"]).select(
        start="source", between="target", first_rank="rank"
    )
    second = steps.semi_join(standard, steps["target"] == standard["standard"])
    joined = first.inner_join(second, first["between"] == second["source"])
    is_replaced = joined["first_rank"] > _BY_RANK["Maps to"]
    return joined.select(
        source=joined["start"],
        target=joined["target"],
        via=ibis.ifelse(is_replaced, joined["between"], joined["start"]),
        cost=(joined["first_rank"] * len(_BY_RANK) + joined["rank"] + _SECOND_STEP).cast("int32"),
    )


def _best(paths: ir.Table) -> ir.Table:
    """The targets of the cheapest ways of each source."""
    least = paths.mutate(least=paths["cost"].min().over(group_by="source"))
    cheapest = least.filter(least["cost"] == least["least"])
    return cheapest.group_by("source", "target").agg(via=cheapest["via"].min())
