"""From a file of YAML to a policy. Every key may be left out: what is not said asks nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from omopsql.errors import OmopsqlError
from omopsql.evaluate.verdicts import HIGHER, LOOK, LOWER, PASS, PRIVACY, Kind, kinds
from omopsql.harmonize.cdm import VOCABULARY_TABLES
from omopsql.quality.checks import check_types

from .rules import Bound, Columns, Concept, Noise, OfCdm, OfTable, Policy, Release, columns_of_cdm, needed, pattern_of
from .strict import Value, compose

FORM = 1
_ALL = "all"
_ADVICE = ("no", "care", "told")  # from the worst
_TOLD_BY_DESCENDANTS = "write the number of a concept, or {concept: 201826, descendants: false}"


def read_policy(path: str | Path) -> Policy:
    """Read a policy. Raises OmopsqlError, with the line and what to write, for all that is not understood."""
    file = Path(path)
    try:
        content = file.read_bytes()
        text = content.decode("utf-8")
    except OSError as error:
        raise OmopsqlError(f"the policy {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OmopsqlError(f"the policy {file} is not written in UTF-8") from error
    return policy_of(compose(text, str(file)), hashlib.sha256(content).hexdigest())


def policy_of(whole: Value, sha256: str) -> Policy:
    """Read a policy from the value of a whole file."""
    found = whole.entries(("policy", "title", "purposes", "approval", "learn", "release"))
    if "policy" not in found:
        raise whole.wrong(f"write policy: {FORM} first; it tells the form of the file")
    if found["policy"].whole(1) != FORM:
        raise found["policy"].wrong(f"this omopsql reads form {FORM}; write policy: {FORM}")
    approval = _entries(found, "approval", ("by", "at_least"))
    approvers = _texts(approval, "by")
    learn = _entries(found, "learn", ("min_cell", "noise", "cdm", "table"))
    return Policy(
        name=whole.file,
        sha256=sha256,
        title=found["title"].text() if "title" in found else "",
        purposes=_texts(found, "purposes"),
        approvers=approvers,
        approvals=_approvals(approval, approvers),
        min_cell=learn["min_cell"].whole(1) if "min_cell" in learn else 1,
        noise=_noise(_entries(learn, "noise", ("required", "epsilon", "delta"))),
        cdm=_of_cdm(_entries(learn, "cdm", ("tables", "columns", "concepts", "unmapped"))),
        table=_of_table(_entries(learn, "table", ("columns",))),
        release=_release(found),
    )


def _entries(found: dict[str, Value], key: str, known: Iterable[str] | None) -> dict[str, Value]:
    return found[key].entries(known) if key in found else {}


def _texts(found: dict[str, Value], key: str) -> tuple[str, ...]:
    return found[key].texts() if key in found else ()


def _approvals(approval: dict[str, Value], approvers: tuple[str, ...]) -> int:
    if "at_least" not in approval:
        return min(1, len(approvers))
    wanted = approval["at_least"].whole(1)
    if wanted > len(approvers):
        raise approval["at_least"].wrong(f"{wanted} approvals are asked for, and {len(approvers)} can be given: see by")
    return wanted


def _noise(found: dict[str, Value]) -> Noise:
    budget = {name: found[name].number() for name in ("epsilon", "delta") if name in found}
    if "epsilon" in budget and budget["epsilon"] <= 0:
        raise found["epsilon"].wrong("write a number above 0, such as 1.0")
    if "delta" in budget and not 0 <= budget["delta"] < 1:
        raise found["delta"].wrong("write a number of at least 0 and below 1, such as 1.0e-6")
    return Noise(found["required"].truth() if "required" in found else False, **budget)


# What of a CDM may be learned


def _of_cdm(found: dict[str, Value]) -> OfCdm:
    denied_tables, admitted_tables = _lists(found, "tables")
    denied_columns, admitted_columns = _lists(found, "columns")
    denied_concepts, admitted_concepts = _lists(found, "concepts")
    return OfCdm(
        denied_tables=frozenset(map(_denied_table, denied_tables)),
        admitted_tables=None if admitted_tables is None else _admitted_tables(found["tables"], admitted_tables),
        denied_columns=_columns(denied_columns, refuse_needed=True),
        admitted_columns=None if admitted_columns is None else _columns(admitted_columns, refuse_needed=False),
        denied_concepts=_concepts(denied_concepts),
        admitted_concepts=None if admitted_concepts is None else _concepts(admitted_concepts),
        learns_unmapped=found["unmapped"].one_of(("allow", "deny")) == "allow" if "unmapped" in found else True,
    )


def _lists(found: dict[str, Value], key: str) -> tuple[list[Value], list[Value] | None]:
    """What a pair of lists denies, and what it allows: None for all."""
    lists = _entries(found, key, ("allow", "deny"))
    denied = lists["deny"].items() if "deny" in lists else []
    if "allow" not in lists:
        return denied, None
    allowed = lists["allow"]
    if allowed.is_list:
        return denied, allowed.items()
    if allowed.is_empty or allowed.is_mapping or allowed.text() != _ALL:
        raise allowed.wrong(f"write {_ALL}, or a list, as in [one, two]; [] allows nothing")
    return denied, None


def _table(value: Value) -> str:
    name = value.text().lower()
    if name in VOCABULARY_TABLES:
        raise value.wrong(
            f"{name} is a table of the vocabulary, which holds no patient and is never learned; strike it"
        )
    if name not in columns_of_cdm():
        raise value.unknown("table of the CDM", name, columns_of_cdm())
    return name


def _denied_table(value: Value) -> str:
    name = _table(value)
    if name == "person":
        raise value.wrong("without the table person there is nothing to learn; deny columns of it, as in person.state")
    return name


def _admitted_tables(pair: Value, allowed: list[Value]) -> frozenset[str]:
    names = frozenset(map(_table, allowed))
    if "person" not in names:
        raise pair.wrong("without the table person there is nothing to learn; add person to allow")
    return names


def _columns(values: list[Value], refuse_needed: bool) -> Columns:
    return frozenset(pair for value in values for pair in _pairs(value, refuse_needed))


def _pairs(value: Value, refuse_needed: bool) -> Iterable[tuple[str, str]]:
    """The columns that an entry names: ``person.race_concept_id``, ``*.provider_id``, or ``provider_id`` for all."""
    entry = value.text().lower()
    table, dot, column = entry.rpartition(".")
    if "*" not in table and dot and table not in columns_of_cdm():
        raise value.unknown("table of the CDM", table, columns_of_cdm())
    of_table, of_column = pattern_of(table if dot else "*"), pattern_of(column)
    named = {t: columns for t, columns in columns_of_cdm().items() if of_table.fullmatch(t)}
    found = [(t, name) for t, columns in named.items() for name in columns if of_column.fullmatch(name)]
    if not found:
        own = {name: None for columns in named.values() for name in columns}
        raise value.unknown(f"column of {table}" if dot else "column of the CDM", column, own)
    if refuse_needed and "*" not in entry:
        for t, name in found:
            if name in needed(t):
                raise value.wrong(
                    f"{t}.{name} is a key or a date that the table cannot be read without, and keys are never learned; "
                    + ("strike it" if t == "person" else f"strike it, or deny the table {t}")
                )
    return found


def _concepts(values: list[Value]) -> tuple[Concept, ...]:
    return tuple(map(_concept, values))


def _concept(value: Value) -> Concept:
    if not value.is_mapping:
        if value.is_list:
            raise value.wrong(_TOLD_BY_DESCENDANTS)
        return Concept(value.whole(1))
    found = value.entries(("concept", "descendants", "why"))
    if "concept" not in found:
        raise value.wrong(_TOLD_BY_DESCENDANTS)
    if "why" in found:
        found["why"].text()
    return Concept(found["concept"].whole(1), found["descendants"].truth() if "descendants" in found else None)


def _of_table(found: dict[str, Value]) -> OfTable:
    denied, admitted = _lists(found, "columns")
    allowed = None if admitted is None else tuple(value.text() for value in admitted)
    return OfTable(tuple(value.text() for value in denied), allowed)


# What a release must pass


def _release(found: dict[str, Value]) -> Release:
    said = _entries(found, "release", ("persons", "advice", "evaluation", "attacks", "metrics", "checks"))
    evaluation = _entries(said, "evaluation", ("days",))
    checks = _entries(said, "checks", ("failed", "passed"))
    return Release(
        persons=said["persons"].whole(0) if "persons" in said else 0,
        advice=said["advice"].one_of(_ADVICE) if "advice" in said else None,
        days=evaluation["days"].whole(1) if "days" in evaluation else None,
        attacks=_bounds(said, "attacks", [one for one in kinds().values() if one.family == PRIVACY]),
        metrics=_bounds(said, "metrics", [one for one in kinds().values() if one.family != PRIVACY]),
        failed_checks=checks["failed"].whole(0) if "failed" in checks else None,
        passed_checks=tuple(map(_check, checks["passed"].items())) if "passed" in checks else (),
    )


def _check(value: Value) -> str:
    name = value.text()
    if name not in check_types():
        raise value.unknown("check", name, check_types())
    return name


def _bounds(said: dict[str, Value], key: str, known: list[Kind]) -> tuple[Bound, ...]:
    """Read what metrics must reach. One that is unknown, or stands under the other key, is refused."""
    by_name = {one.metric: one for one in known}
    values = _entries(said, key, None)
    for name, value in values.items():
        if name not in by_name and name in kinds():
            other = "metrics" if key == "attacks" else "attacks"
            raise value.wrong(f"{name} belongs to {kinds()[name].family}; move it to release.{other}")
        if name not in by_name:
            raise value.unknown(key.removesuffix("s"), name, by_name)
    return tuple(_bound(by_name[name], value) for name, value in values.items())


def _bound(kind: Kind, value: Value) -> Bound:
    """Read what a metric must reach. A bound on the side that is not the better one is refused."""
    if not value.is_mapping:
        return Bound(kind.metric, verdict=_verdict(kind, value))
    side = {LOWER: "at_most", HIGHER: "at_least"}.get(kind.better, "within")
    found = value.entries(("at_most", "at_least", "within"))
    if list(found) != [side]:
        raise value.wrong(f"of {kind.metric} {_BETTER[kind.better]}: write {{{side}: NUMBER}}, pass, or look")
    limit: dict[str, Any] = {side: found[side].number()}
    return Bound(kind.metric, **limit)


_BETTER = {LOWER: "lower is better", HIGHER: "higher is better", "near": "what is near the reference is better"}


def _verdict(kind: Kind, value: Value) -> str:
    verdict = value.one_of((PASS, LOOK))
    if kind.good is None:
        raise value.wrong(f"{kind.metric} informs only and has no verdict; give a number, or strike it")
    return verdict
