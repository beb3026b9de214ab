"""What a release must pass: every reason why it does not, in words."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from omopsql.evaluate.advice import Advice
from omopsql.evaluate.metric import SCHEMA, Metric, to_table
from omopsql.publish.facts import Code, Column, Facts, Generation, Table
from omopsql.publish.policy import Policy
from omopsql.publish.policy.rules import Bound, Concept, Noise, OfCdm, OfTable, Release

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OURS = Policy("policy.yaml", "ab" * 32)


def facts(standard: str | None = "OMOP-CDM 5.4", columns: tuple[Column, ...] = (), **made: object) -> Facts:
    """A release of 200 persons with one table, person, made under OURS."""
    generation = Generation("cd" * 32, "hospital", 1, 200, 10, None, None, "0.1.0", OURS.sha256)
    table = Table("person", "", 200, columns or (Column("race_concept_id", "INTEGER", "", 0),), ())
    code = Code(201826, "SNOMED", "44054006", "Type 2 diabetes mellitus", 40)
    day = date(2020, 1, 1)
    return Facts((table,), 200, 1, 90, day, day, standard, (), (code,), replace(generation, **made))


def unmet(policy: Policy, *metrics: Metric, of: Facts | None = None, **told: object) -> list[str]:
    """The reasons, of an evaluation that was made a day ago."""
    advice = told.pop("advice", [])
    evaluated = told.pop("evaluated_at", NOW - timedelta(days=1))
    return policy.unmet(to_table(metrics), advice, of, evaluated, NOW, **told)


def of_release(**said: object) -> Policy:
    return replace(OURS, release=Release(**said))


def test_a_policy_that_asks_nothing_is_met():
    assert unmet(OURS, of=facts()) == []
    assert OURS.unmet(None, [], facts(), None, NOW) == []


@pytest.mark.parametrize(
    ("bound", "metric", "told"),
    [
        (Bound("ks_distance", "pass"), Metric("ks_distance", 0.02), None),
        (
            Bound("ks_distance", "pass"),
            Metric("ks_distance", 0.06),
            "ks_distance is 0.06: verdict look; the policy asks",
        ),
        (Bound("ks_distance", "look"), Metric("ks_distance", 0.06), None),
        (Bound("ks_distance", "look"), Metric("ks_distance", 0.5), "verdict fail; the policy asks for pass or look"),
        (Bound("ks_distance", at_most=0.1), Metric("ks_distance", 0.1), None),
        (
            Bound("ks_distance", at_most=0.1),
            Metric("ks_distance", 0.11),
            "ks_distance is 0.11; the policy allows at most 0.1",
        ),
        (Bound("ks_distance", at_most=0.1), Metric("ks_distance", 0.09, 0.0, 0.3), None),
        (Bound("tstr_auroc", at_least=0.7), Metric("tstr_auroc", 0.7), None),
        (Bound("tstr_auroc", at_least=0.7), Metric("tstr_auroc", 0.6), "the policy asks for at least 0.7"),
        (Bound("group_share", within=0.1), Metric("group_share", 0.4, reference=0.5, subject="F"), None),
        (
            Bound("group_share", within=0.1),
            Metric("group_share", 0.3, reference=0.5, subject="F"),
            "group_share F is 0.3; the policy allows 0.1 from the reference 0.5",
        ),
        (Bound("dcr", within=0.1), Metric("dcr", 0.3), "dcr has no reference to be near to; strike it from the policy"),
        (Bound("ks_distance", "look"), Metric("wasserstein", 0.1), "ks_distance was not evaluated"),
        (
            Bound("ks_distance", "look"),
            Metric("ks_distance", None, note="no numbers"),
            "ks_distance: the metric was not computed, and the policy asks for it: no numbers",
        ),
        (Bound("ks_distance", at_most=0.1), Metric("ks_distance", 0.05, subject="age"), None),
        (Bound("ks_distance", at_most=0.1), Metric("ks_distance", 0.15, subject="age"), "ks_distance age is 0.15"),
    ],
)
def test_a_metric_is_held_to_its_bound(bound, metric, told):
    found = unmet(of_release(metrics=(bound,)), metric)
    assert len(found) == (told is not None)
    assert told is None or told in found[0]


def test_of_an_attack_the_worse_end_of_the_interval_counts():
    asked = of_release(attacks=(Bound("membership_auroc", at_most=0.55),))
    attack = Metric("membership_auroc", 0.51, 0.48, 0.54, subject="distance")
    assert unmet(asked, attack) == []
    told = unmet(asked, replace(attack, high=0.6))
    assert told == ["membership_auroc distance is 0.51 (0.48 to 0.6); the policy allows at most 0.55"]
    assert "the attack was not tried" in unmet(asked, Metric("membership_auroc", None, subject="distance"))[0]
    assert len(unmet(asked, attack, replace(attack, subject="density", value=0.7))) == 1, "each attack of that name"


def test_details_stand_behind_the_whole():
    asked = of_release(metrics=(Bound("ks_distance", at_most=0.1),))
    assert unmet(asked, Metric("ks_distance", 0.05), Metric("ks_distance", 0.3, subject="age")) == []
    per_table = (Metric("records_per_person_ks", n, table=t) for t, n in (("measurement", 0.05), ("death", 0.3)))
    found = unmet(of_release(metrics=(Bound("records_per_person_ks", at_most=0.1),)), *per_table)
    assert found == ["records_per_person_ks death is 0.3; the policy allows at most 0.1"]


def test_rows_may_be_those_of_a_file():
    asked = of_release(metrics=(Bound("ks_distance", at_most=0.1),))
    rows = to_table([Metric("ks_distance", 0.3)]).to_pylist()
    assert len(asked.unmet(rows, [], None, NOW, NOW)) == 1
    assert asked.unmet(pa.Table.from_pylist(rows, SCHEMA), [], None, NOW, NOW) == asked.unmet(rows, [], None, NOW, NOW)


@pytest.mark.parametrize(("tolerated", "n"), [(None, 0), ("no", 0), ("care", 1), ("told", 2)])
def test_advice_that_is_worse_than_tolerated_stops_a_release(tolerated, n):
    advice = [Advice("attack_succeeded", "exact_copies", "0.2"), Advice("few_persons"), Advice("without_noise")]
    found = unmet(of_release(advice=tolerated), advice=advice)
    assert len(found) == n
    if n:
        assert found[0].startswith("the advice is no: This attack learns something about real persons")
        assert found[0].endswith("(exact_copies: 0.2)")
    as_read = [{"rule": one.rule, "subject": one.subject, "evidence": one.evidence, "advice": ""} for one in advice]
    assert unmet(of_release(advice=tolerated), advice=as_read) == found


@pytest.mark.parametrize(
    ("evaluated_at", "told"),
    [
        (NOW - timedelta(days=30), None),
        (NOW - timedelta(days=31), "the evaluation is 31 days old; the policy allows 30: evaluate again"),
        ((NOW - timedelta(days=31)).replace(tzinfo=None), "the evaluation is 31 days old"),
        (NOW + timedelta(days=2), "the evaluation is dated 2026-06-03, which lies in the future"),
        (None, "there is no evaluation; run omopsql evaluate"),
    ],
)
def test_an_evaluation_expires(evaluated_at, told):
    found = unmet(of_release(days=30), evaluated_at=evaluated_at)
    assert len(found) == (told is not None)
    assert told is None or found[0].startswith(told)


def test_how_the_model_was_made():
    asked = replace(OURS, min_cell=20, noise=Noise(True, 2.0, 1e-6), release=Release(persons=500))
    assert unmet(asked, of=facts(min_cell=20, epsilon=1.0, delta=1e-7, learned=500)) == []
    assert unmet(asked, of=facts(policy_sha256=None)) == [
        "the model was fitted without a policy; fit it again with --policy",
        "the model's cells hold at least 10 persons or rows; the policy asks for 20",
        "the model learned 200 persons or rows; the policy asks for 500",
        "the model was made without noise, and the policy asks for it; fit it again with --epsilon",
    ]
    assert unmet(OURS, of=facts(policy_sha256="ef" * 32)) == [
        "the model was fitted under another policy (efefefefefef); fit it again with policy.yaml"
    ]
    spent = replace(OURS, noise=Noise(epsilon=1.0, delta=1e-6))
    assert unmet(spent, of=facts(epsilon=2.0, delta=1e-3)) == [
        "epsilon is 2; the policy allows at most 1",
        "delta is 0.001; the policy allows at most 1e-06",
    ]


def test_what_is_in_the_data_and_may_not_be():
    assert unmet(replace(OURS, cdm=OfCdm(denied_concepts=(Concept(201826),))), of=facts()) == [
        "40 persons have 201826 Type 2 diabetes mellitus, a concept that the policy denies"
    ]
    denied = replace(
        OURS, cdm=OfCdm(denied_columns=frozenset({("person", "race_concept_id"), ("person", "location_id")}))
    )
    columns = (Column("race_concept_id", "INTEGER", "", 0), Column("location_id", "BIGINT", "", 199))
    assert unmet(denied, of=facts(columns=columns)) == [
        "person.location_id holds values, and the policy withholds that column"
    ], "a column that the CDM requires holds 0"
    empty = tuple(replace(one, nulls=200) for one in columns)
    assert unmet(denied, of=facts(columns=empty)) == []
    only = replace(OURS, cdm=OfCdm(admitted_tables=frozenset({"death"})))
    assert unmet(only, of=facts()) == ["person holds 200 rows, and the policy withholds that table"]
    flat = replace(OURS, table=OfTable(denied=("*zip*", "elsewhere")))
    zips = (Column("zip_code", "VARCHAR", "", 3), Column("sex", "VARCHAR", "", 0))
    assert unmet(flat, of=facts(None, zips)) == ["person.zip_code holds values, and the policy withholds that column"]


def test_who_approves_and_for_what():
    asked = replace(OURS, purposes=("research", "teaching"), approvers=("DPO", "board"), approvals=2)
    assert unmet(asked, of=facts(), approved_by=["DPO", "board"], purposes=["teaching"]) == []
    assert unmet(asked, of=facts()) == [
        "the policy asks for 2 approvals by DPO, board; 0 were given",
        "no purpose is told; the policy allows research, teaching",
    ]
    assert unmet(asked, of=facts(), approved_by=["DPO", "DPO", "me"], purposes=["sale"]) == [
        "me may not approve a release: the policy names DPO, board",
        "the policy asks for 2 approvals by DPO, board; 1 were given",
        "the purpose 'sale' is none that the policy allows: research, teaching",
    ]
    assert unmet(asked) == [], "an evaluation alone decides nothing"


def test_checks_of_quality():
    asked = of_release(failed_checks=1, passed_checks=("isPrimaryKey", "isForeignKey"))
    good = [
        {"checkName": "isPrimaryKey", "checkId": "a", "failed": 0},
        {"checkName": "isForeignKey", "checkId": "b", "failed": 0},
    ]
    assert unmet(asked, of=facts(), checks=good) == []
    bad = [dict(good[0], failed=1), {"checkName": "cdmField", "checkId": "c", "failed": 1}]
    assert unmet(asked, of=facts(), checks=bad) == [
        "2 checks of quality failed; the policy allows 1",
        "the check a failed, and the policy asks for it",
        "the check isForeignKey was not run, and the policy asks for it",
    ]
    assert unmet(asked, of=facts()) == [
        "there is no report of quality; run omopsql check on the synthetic CDM, with -o quality.json"
    ]
