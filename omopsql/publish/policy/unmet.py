"""Why a release does not pass a policy: every reason, in words for the person who must decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from omopsql.evaluate.advice.rules import NO, Advice
from omopsql.evaluate.advice.rules import WORST_FIRST as WORST_ADVICE_FIRST
from omopsql.evaluate.verdicts import FAIL, HIGHER, LOOK, NOT_COMPUTED, PASS, PRIVACY, kinds
from omopsql.harmonize.cdm import VERSIONS, tables
from omopsql.publish.facts import Facts, Generation

from .rules import Bound, Policy, columns_of_cdm

Row = Mapping[str, Any]


def reasons(
    policy: Policy,
    rows: pa.Table | Sequence[Row] | None,
    advice: Sequence[Any],
    facts: Facts | None,
    evaluated_at: datetime | None,
    now: datetime,
    checks: Sequence[Row] | None,
    approved_by: Sequence[str],
    purposes: Sequence[str],
) -> Iterator[str]:
    """Yield the reasons: who decides, what the data are, how they were made, and what evaluation found."""
    evaluated: Sequence[Row] | None = rows.to_pylist() if isinstance(rows, pa.Table) else rows
    if facts is not None:
        yield from _decisions(policy, approved_by, purposes)
        yield from _making(policy, facts.generation)
        yield from _data(policy, facts)
    yield from _age(policy, evaluated_at, now)
    if evaluated is not None or facts is not None:
        yield from _bounds((*policy.release.attacks, *policy.release.metrics), evaluated or ())
    yield from _advice(policy, [_read(one) for one in advice])
    if checks is not None or facts is not None:
        yield from _checks(policy, checks)


def _decisions(policy: Policy, approved_by: Sequence[str], purposes: Sequence[str]) -> Iterator[str]:
    unknown = [name for name in approved_by if name not in policy.approvers]
    if policy.approvers and unknown:
        yield f"{_listed(unknown)} may not approve a release: the policy names {_listed(policy.approvers)}"
    given = len(set(approved_by) & set(policy.approvers))
    if given < policy.approvals:
        many = "approval" if policy.approvals == 1 else "approvals"
        yield f"the policy asks for {policy.approvals} {many} by {_listed(policy.approvers)}; {given} were given"
    if not policy.purposes:
        return
    for purpose in purposes:
        if purpose not in policy.purposes:
            yield f"the purpose {purpose!r} is none that the policy allows: {_listed(policy.purposes)}"
    if not purposes:
        yield f"no purpose is told; the policy allows {_listed(policy.purposes)}"


def _making(policy: Policy, made: Generation) -> Iterator[str]:
    """The model: its policy, its cells, its noise."""
    if made.policy_sha256 is None:
        yield "the model was fitted without a policy; fit it again with --policy"
    elif made.policy_sha256 != policy.sha256:
        yield f"the model was fitted under another policy ({made.policy_sha256[:12]}); fit it again with {policy.name}"
    if made.epsilon is None and made.min_cell < policy.min_cell:
        yield f"the model's cells hold at least {made.min_cell} persons or rows; the policy asks for {policy.min_cell}"
    if made.learned < policy.release.persons:
        yield f"the model learned {made.learned:,} persons or rows; the policy asks for {policy.release.persons:,}"
    if made.epsilon is None and policy.noise.is_required:
        yield "the model was made without noise, and the policy asks for it; fit it again with --epsilon"
    spent = (("epsilon", made.epsilon, policy.noise.epsilon), ("delta", made.delta, policy.noise.delta))
    for name, used, most in spent:
        if made.epsilon is not None and used is not None and most is not None and used > most:
            yield f"{name} is {used:g}; the policy allows at most {most:g}"


def _data(policy: Policy, facts: Facts) -> Iterator[str]:
    """What is in the data and may not be, wherever it came from."""
    for table in facts.tables:
        is_cdm = facts.standard is not None and table.name in columns_of_cdm()
        if is_cdm and policy.cdm.withholds_table(table.name):
            if table.rows and table.name not in _DERIVED:
                yield f"{table.name} holds {table.rows:,} rows, and the policy withholds that table"
            continue
        for column in table.columns:
            if column.nulls < table.rows and _withholds(policy, is_cdm, table.name, column.name):
                yield f"{table.name}.{column.name} holds values, and the policy withholds that column"
    denied = {one.concept_id for one in policy.cdm.denied_concepts}
    for code in facts.codes:
        if code.concept_id in denied:
            yield f"{code.persons:,} persons have {code.concept_id} {code.name}, a concept that the policy denies"


_DERIVED = ("condition_era", "drug_era", "dose_era", "cdm_source")


def _withholds(policy: Policy, is_cdm: bool, table: str, column: str) -> bool:
    """Whether a column must be empty. One that the CDM requires holds 0 where nothing was learned."""
    if not is_cdm:
        return policy.table.withholds(table, column)
    fields = (tables(version).get(table, {}).get(column) for version in VERSIONS)
    is_required = any(field is not None and field.is_required for field in fields)
    return not is_required and policy.cdm.withholds(table, column)


def _age(policy: Policy, evaluated_at: datetime | None, now: datetime) -> Iterator[str]:
    asked = policy.release
    if evaluated_at is None:
        if asked.days is not None or asked.attacks or asked.metrics:
            yield "there is no evaluation; run omopsql evaluate on the very data of the release"
        return
    days = (_utc(now) - _utc(evaluated_at)).days
    if days < 0:
        yield f"the evaluation is dated {_utc(evaluated_at):%Y-%m-%d}, which lies in the future; evaluate again"
    elif asked.days is not None and days > asked.days:
        yield f"the evaluation is {days} days old; the policy allows {asked.days}: evaluate again"


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


# What evaluation found


def _bounds(bounds: Iterable[Bound], rows: Sequence[Row]) -> Iterator[str]:
    for bound in bounds:
        found = [row for row in rows if row["metric"] == bound.metric]
        whole = [row for row in found if not row["subject"]]
        if not found:
            yield f"{bound.metric} was not evaluated, and the policy asks for it"
        for row in whole or found:
            yield from _missed(bound, row)


def _missed(bound: Bound, row: Row) -> Iterator[str]:
    """How a row misses its bound.

    Of an attack the worse end of the interval counts: an attack without power proves nothing.
    """
    name = " ".join(filter(None, (bound.metric, row["table_name"], row["subject"])))
    kind = kinds()[bound.metric]
    if row["value"] is None or row["verdict"] == NOT_COMPUTED:
        what = "attack was not tried" if kind.family == PRIVACY else "metric was not computed"
        yield f"{name}: the {what}, and the policy asks for it" + (f": {row['note']}" if row["note"] else "")
        return
    worst = _worst(row, kind.better == HIGHER) if kind.family == PRIVACY else row["value"]
    if bound.verdict is not None:
        if row["verdict"] == FAIL or (bound.verdict == PASS and row["verdict"] == LOOK):
            yield f"{name} is {_number(row)}: verdict {row['verdict']}; the policy asks for {_ASKED[bound.verdict]}"
    elif bound.at_most is not None and worst > bound.at_most:
        yield f"{name} is {_number(row)}; the policy allows at most {bound.at_most:g}"
    elif bound.at_least is not None and worst < bound.at_least:
        yield f"{name} is {_number(row)}; the policy asks for at least {bound.at_least:g}"
    elif bound.within is not None:
        target = kind.ideal if row["reference"] is None else row["reference"]
        if target is None:
            yield f"{name} has no reference to be near to; strike it from the policy"
        elif abs(row["value"] - target) > bound.within:
            yield f"{name} is {_number(row)}; the policy allows {bound.within:g} from the reference {target:.3g}"


_ASKED = {PASS: "pass", LOOK: "pass or look"}


def _worst(row: Row, is_higher_better: bool) -> float:
    reached = [end for end in (row["value"], row["low"], row["high"]) if end is not None]
    return min(reached) if is_higher_better else max(reached)


def _number(row: Row) -> str:
    told = f"{row['value']:.3g}"
    if row["low"] is not None and row["high"] is not None:
        told += f" ({row['low']:.3g} to {row['high']:.3g})"
    return told


def _read(one: Any) -> Advice:
    if isinstance(one, Advice):
        return one
    return Advice(one["rule"], one.get("subject") or "", one.get("evidence") or "")


def _advice(policy: Policy, advice: Sequence[Advice]) -> Iterator[str]:
    """Advice that is worse than what the policy tolerates."""
    if policy.release.advice in (None, NO):
        return
    worse = WORST_ADVICE_FIRST[: WORST_ADVICE_FIRST.index(policy.release.advice)]
    for one in advice:
        if one.advice in worse:
            about = f" ({one.about})" if one.about else ""
            yield f"the advice is {one.advice}: {one.words}{about}"


def _checks(policy: Policy, checks: Sequence[Row] | None) -> Iterator[str]:
    """Checks of quality, as ``omopsql check -o quality.json`` writes them."""
    asked = policy.release
    if asked.failed_checks is None and not asked.passed_checks:
        return
    if checks is None:
        yield "there is no report of quality; run omopsql check on the synthetic CDM, with -o quality.json"
        return
    failed = [check for check in checks if check["failed"] == 1]
    if asked.failed_checks is not None and len(failed) > asked.failed_checks:
        yield f"{len(failed)} checks of quality failed; the policy allows {asked.failed_checks}"
    for name in asked.passed_checks:
        of_name = [check for check in checks if check["checkName"] == name]
        if not of_name:
            yield f"the check {name} was not run, and the policy asks for it"
        for check in of_name:
            if check["failed"] == 1:
                yield f"the check {check['checkId']} failed, and the policy asks for it"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
