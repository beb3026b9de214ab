"""A policy in words: what may be learned, what not, what a release must pass, and what it leaves out of a source."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import duckdb

from omopsql.evaluate.verdicts import PASS
from omopsql.harmonize.cdm import VOCABULARY_TABLES
from omopsql.quoting import identifier
from omopsql.relation import resolve
from omopsql.synth.hospital import permitted
from omopsql.synth.hospital.reading import Site

from .rules import Bound, Concept, Policy

Line = tuple[str, str]

_NAMED = 12  # names in one line
_ADVICE = {
    "no": "Any advice is tolerated.",
    "care": "Advice not to use the data stops a release; advice to take care does not.",
    "told": "Advice not to use the data, or to take care, stops a release.",
}


def explained(policy: Policy) -> Iterator[Line]:
    """Yield what a policy says, as (what it is about, one sentence)."""
    title = f" ({policy.title})" if policy.title else ""
    yield "policy", f"{policy.name}{title} has sha256 {policy.sha256}; a model says that it was learned under it."
    yield (
        "purposes",
        f"Data may be released for {_list(policy.purposes)}." if policy.purposes else "Any purpose will do.",
    )
    if policy.approvals:
        yield "approval", f"A release needs the approval of {policy.approvals} of: {_list(policy.approvers)}."
    else:
        yield "approval", "omopsql asks for nobody's approval."
    yield "min_cell", f"No number of a model is over fewer than {policy.min_cell} persons or rows."
    yield "noise", _noise(policy)
    yield from _cdm(policy)
    yield from _table(policy)
    yield from _release(policy)


def _noise(policy: Policy) -> str:
    asked = policy.noise
    limits = [f"{name} at most {most:g}" for name, most in (("epsilon", asked.epsilon), ("delta", asked.delta)) if most]
    told = f" When noise is asked for: {' and '.join(limits)}." if limits else ""
    return ("Nothing is learned without noise." if asked.is_required else "Noise need not be added.") + told


def _cdm(policy: Policy) -> Iterator[Line]:
    rules = policy.cdm
    if rules.admitted_tables is not None:
        yield "cdm tables", f"Of a CDM only these are learned: {_list(sorted(rules.admitted_tables))}."
    if rules.denied_tables:
        yield "cdm tables", f"Of a CDM these are not learned: {_list(sorted(rules.denied_tables))}."
    if rules.admitted_columns is not None:
        yield "cdm columns", f"Only these columns are learned: {_list(_dotted(rules.admitted_columns))}."
    if rules.denied_columns:
        yield "cdm columns", f"These columns are not learned: {_list(_dotted(rules.denied_columns))}."
    if rules.admitted_concepts is not None:
        yield "cdm concepts", f"Only records of these concepts are learned: {_concepts(rules.admitted_concepts)}."
    if rules.denied_concepts:
        yield "cdm concepts", f"Records of these concepts are not learned: {_concepts(rules.denied_concepts)}."
    if not rules.learns_unmapped:
        yield "cdm concepts", "Records without a standard concept are not learned."
    if rules == type(rules)():
        yield "cdm", "All of a CDM may be learned."


def _concepts(concepts: Collection[Concept]) -> str:
    return _list([f"{one.concept_id}{_BELOW[one.descendants]}" for one in concepts])


_BELOW = {None: " (and all below it, where a vocabulary is there)", True: " (and all below it)", False: " (alone)"}


def _table(policy: Policy) -> Iterator[Line]:
    rules = policy.table
    if rules.admitted is not None:
        yield "table columns", f"Of flat tables only these columns are learned: {_list(rules.admitted)}."
    if rules.denied:
        yield "table columns", f"Of flat tables these columns come back NULL: {_list(rules.denied)}."
    if rules.admitted is None and not rules.denied:
        yield "table columns", "All columns of flat tables may be learned."


def _release(policy: Policy) -> Iterator[Line]:
    asked = policy.release
    if asked.persons:
        yield "release", f"The model must have learned at least {asked.persons:,} persons or rows."
    if asked.advice is not None:
        yield "release", _ADVICE[asked.advice]
    if asked.days is not None:
        yield "release", f"The evaluation may be {asked.days} days old."
    for bound in asked.attacks:
        yield "release", f"The attack {bound.metric} must have been tried; {_bound(bound)}."
    for bound in asked.metrics:
        yield "release", f"The metric {bound.metric} must be known; {_bound(bound)}."
    if asked.failed_checks is not None:
        yield "release", f"At most {asked.failed_checks} checks of the synthetic CDM's quality may fail."
    if asked.passed_checks:
        yield "release", f"These checks of its quality must pass: {_list(asked.passed_checks)}."


def _bound(bound: Bound) -> str:
    if bound.verdict is not None:
        return "its verdict must be pass" if bound.verdict == PASS else "its verdict must not be fail"
    for words, number in (
        ("at most", bound.at_most),
        ("at least", bound.at_least),
        ("near the reference by", bound.within),
    ):
        if number is not None:
            return f"it must be {words} {number:g}"
    return "any number will do"


def of_source(policy: Policy, cursor: duckdb.DuckDBPyConnection, source: str) -> Iterator[Line]:
    """Yield what would be left out of a flat table. Raises OmopsqlError as fitting it would."""
    columns = resolve(cursor, source).columns
    withheld = policy.withheld(source, columns)
    learned = [name for name in columns if name not in withheld]
    yield source, f"Learned: {_list(learned) or 'nothing'}."
    yield source, f"Left out, and NULL in synthetic rows: {_list(withheld)}." if withheld else "Nothing is left out."


def of_cdm(policy: Policy, cursor: duckdb.DuckDBPyConnection, cdm: str, vocabulary: str | None) -> Iterator[Line]:
    """Yield what would be left out of a CDM. Raises OmopsqlError as fitting it would."""
    site = Site(cursor, cdm, vocabulary=vocabulary, policy=policy)
    said = [*_missing_vocabulary(policy, site)]
    for table in sorted(set(site.cdm.tables) - set(VOCABULARY_TABLES)):
        if site.permitted.withholds_table(table):
            rows = _count(cursor, f"SELECT count(*) FROM ({site.everything(table)})")
            said.append((table, f"The table is left out, with {_rows(rows)}."))
        else:
            said += _of_table(policy, site, table)
    yield from said or [(cdm, "Nothing of this CDM is left out.")]


def _of_table(policy: Policy, site: Site, table: str) -> Iterator[Line]:
    everything = site.everything(table)
    withheld = [name for name in site.cdm.tables[table].types if policy.cdm.withholds(table, name)]
    filled = [name for name in withheld if _count(site.cursor, f"SELECT count({identifier(name)}) FROM ({everything})")]
    if filled:
        yield table, f"These columns hold values that are left out: {_list(filled)}."
    if policy.cdm.restricts_concepts:
        lost = _count(site.cursor, f"SELECT count(*) FROM ({everything})") - _count(
            site.cursor, f"SELECT count(*) FROM ({site.typed(table)})"
        )
        if lost:
            yield table, f"Left out for their concept: {_rows(lost)}."


def _missing_vocabulary(policy: Policy, site: Site) -> Iterator[Line]:
    """Warn where a concept that is listed may not be the one that was meant, or not all that was meant."""
    concepts = [*policy.cdm.denied_concepts, *(policy.cdm.admitted_concepts or ())]
    if not concepts:
        return
    if not site.has("concept_ancestor"):
        yield "vocabulary", "There is none, so only the concepts themselves are known, and nothing below them."
    if not site.has("concept"):
        return
    known = {
        one
        for (one,) in site.cursor.execute(
            f"SELECT concept_id FROM ({site.typed('concept')}) WHERE list_contains($1::BIGINT[], concept_id)",
            [[one.concept_id for one in concepts]],
        ).fetchall()
    }
    unknown = [str(one.concept_id) for one in concepts if one.concept_id not in known]
    if unknown:
        yield "vocabulary", f"It has no concept {_list(unknown)}: look whether the numbers are right."
    for name, what in ((permitted.DENIED, "denied"), (permitted.ADMITTED, "allowed")):
        n = _count(site.cursor, f"SELECT count(*) FROM {identifier(name)}")
        if n:
            yield (
                "vocabulary",
                f"{n:,} concept{'s are' if n > 1 else ' is'} {what}, with those below and those that map.",
            )


def _count(cursor: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(cursor.execute(query).fetchall()[0][0])


def _rows(n: int) -> str:
    return f"{n:,} row{'' if n == 1 else 's'}"


def _dotted(columns: Collection[tuple[str, str]]) -> list[str]:
    return [f"{table}.{column}" for table, column in sorted(columns)]


def _list(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
