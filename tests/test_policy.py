"""A policy is read strictly: what is not understood is refused with the line and what to write."""

import hashlib
import sys
from pathlib import Path

import pytest

from omopsql import OmopsqlError
from omopsql.publish.policy import Policy, read_policy
from omopsql.publish.policy.rules import Bound, Concept, columns_of_cdm
from omopsql.sql_files import sql_folder


def policy(folder: Path, text: str) -> Policy:
    """The policy that a text of YAML says; its form is written before it."""
    file = folder / "policy.yaml"
    file.write_text("policy: 1\n" + text, encoding="utf-8")
    return read_policy(file)


def refused(folder: Path, text: str) -> str:
    """The one line of why a policy is refused, without the folder."""
    with pytest.raises(OmopsqlError) as error:
        policy(folder, text)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{folder}/", "")


def test_the_default_is_a_policy():
    default = sql_folder("publish").joinpath("policy.yaml")
    found = read_policy(str(default))
    assert found.sha256 == hashlib.sha256(default.read_bytes()).hexdigest()
    assert found.min_cell == 10
    assert found.release.days == 365
    assert (found.noise.epsilon, found.noise.delta) == (3.0, 1e-5)
    assert found.cdm.withholds_table("note")
    assert found.cdm.withholds("visit_occurrence", "provider_id")
    assert not found.cdm.withholds("provider", "provider_id"), "a key is never withheld"
    assert found.table.withholds("patients.csv", "Last Name")
    assert {one.metric for one in found.release.attacks} == {"exact_copies", "membership_auroc"}


def test_what_is_not_said_asks_nothing(tmp_path):
    found = policy(tmp_path, "")
    assert found == Policy(name=str(tmp_path / "policy.yaml"), sha256=found.sha256)
    assert found.least(3) == 3
    assert not any(found.cdm.withholds(table, name) for table, names in columns_of_cdm().items() for name in names)
    found.refuse_noise(None, None)
    found.refuse_noise(1000.0, 0.5)


def test_every_part_is_read(tmp_path):
    found = policy(
        tmp_path,
        """
title: Ours
purposes: [research, teaching]
approval: {by: [DPO, steward, board], at_least: 2}
learn:
  min_cell: 25
  noise: {required: true, epsilon: 2, delta: 1e-6}
  cdm:
    tables: {allow: [person, death, measurement], deny: [death]}
    columns: {deny: [measurement.unit_*, race_concept_id]}
    concepts: {allow: [1, {concept: 2, descendants: false, why: asked for}], deny: [{concept: 3, descendants: yes}]}
    unmapped: deny
  table: {columns: {allow: [a, b.c], deny: ["*x*"]}}
release:
  persons: 300
  advice: no
  evaluation: {days: 30}
  attacks: {membership_auroc: {at_most: 0.55}, exact_copies: pass}
  metrics: {tstr_auroc: {at_least: 0.7}, group_share: {within: 0.1}, c2st_auroc: look}
  checks: {failed: 2, passed: [isPrimaryKey]}
""",
    )
    assert (found.title, found.purposes, found.approvals) == ("Ours", ("research", "teaching"), 2)
    assert (found.least(3), found.least(30)) == (25, 30)
    assert (found.noise.is_required, found.noise.epsilon, found.noise.delta) == (True, 2.0, 1e-6)
    assert found.cdm.denied_tables == {"death"}
    assert found.cdm.admitted_tables == {"person", "death", "measurement"}
    assert [found.cdm.withholds_table(name) for name in ("person", "death", "observation", "concept")] == [
        False,
        True,
        True,
        False,
    ]
    assert found.cdm.denied_columns == {
        ("measurement", "unit_concept_id"),
        ("measurement", "unit_source_value"),
        ("measurement", "unit_source_concept_id"),
        ("person", "race_concept_id"),
    }
    assert found.cdm.admitted_concepts == (Concept(1), Concept(2, False))
    assert found.cdm.denied_concepts == (Concept(3, True),)
    assert not found.cdm.learns_unmapped
    assert found.release.advice == "no", "YAML takes a bare no for false"
    assert found.release.attacks == (Bound("membership_auroc", at_most=0.55), Bound("exact_copies", "pass"))
    assert found.release.metrics[1] == Bound("group_share", within=0.1)
    assert (found.release.failed_checks, found.release.passed_checks) == (2, ("isPrimaryKey",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lern: {}", "policy.yaml line 2: there is no key 'lern'; write learn"),
        ("learn:\n  min_cel: 3", "policy.yaml line 3: learn: there is no key 'min_cel'; write min_cell"),
        ("title: a\ntitle: b", "policy.yaml line 3: the key title is given twice; keep one"),
        ("learn: {min_cell: ten}", "line 2: learn.min_cell: write a whole number, not 'ten'"),
        ("learn: {min_cell: '10'}", "write a whole number, not '10'"),
        ("learn: {min_cell: 2.5}", "write a whole number, not '2.5'"),
        ("learn: {min_cell: 0}", "write a whole number of at least 1, not 0"),
        ("learn: [min_cell]", "learn: write keys with values below it, not a list"),
        ("learn: {noise: {required: maybe}}", "learn.noise.required: write true or false, not 'maybe'"),
        ("learn: {noise: {epsilon: much}}", "learn.noise.epsilon: write a number, not 'much'"),
        ("learn: {noise: {epsilon: true}}", "write a number, not 'true'"),
        ("learn: {noise: {epsilon: .inf}}", "write a number, not '.inf'"),
        ("learn: {noise: {epsilon: 0}}", "write a number above 0"),
        ("learn: {noise: {delta: 1}}", "write a number of at least 0 and below 1"),
        ("learn: {cdm: {tables: [note]}}", "learn.cdm.tables: write keys with values below it, not a list"),
        ("learn: {cdm: {tables: {deny: note}}}", "write a list, as in [one, two], not a single value"),
        ("learn: {cdm: {tables: {deny: [persn]}}}", "there is no table of the CDM 'persn'; write person"),
        ("learn: {cdm: {tables: {deny: [concept]}}}", "concept is a table of the vocabulary"),
        (
            "learn: {cdm: {tables: {deny: [person]}}}",
            "without the table person there is nothing to learn; deny columns",
        ),
        ("learn: {cdm: {tables: {allow: [death]}}}", "nothing to learn; add person to allow"),
        ("learn: {cdm: {tables: {allow: some}}}", "learn.cdm.tables.allow: write all, or a list"),
        ("learn: {cdm: {tables: {allow: }}}", "learn.cdm.tables.allow: write all, or a list"),
        ("learn: {cdm: {columns: {deny: [person.race]}}}", "there is no column of person 'race'; write race_"),
        ("learn: {cdm: {columns: {deny: [patient.id]}}}", "there is no table of the CDM 'patient'"),
        ("learn: {cdm: {columns: {deny: ['*.nothing']}}}", "there is no column of * 'nothing'"),
        ("learn: {cdm: {columns: {deny: [person.person_id]}}}", "person.person_id is a key or a date that the table"),
        ("learn: {cdm: {columns: {deny: [death.death_date]}}}", "strike it, or deny the table death"),
        ("learn: {cdm: {concepts: {deny: [diabetes]}}}", "write a whole number, not 'diabetes'"),
        (
            "learn: {cdm: {concepts: {deny: [{descendants: true}]}}}",
            "write the number of a concept, or {concept: 201826",
        ),
        ("learn: {cdm: {unmapped: false}}", "write one of allow, deny, not 'false'"),
        ("release: {advice: maybe}", "release.advice: write one of no, care, told, not 'maybe'"),
        ("release: {metrics: {c2st: pass}}", "there is no metric 'c2st'; write c2st_auroc"),
        ("release: {metrics: {exact_copies: pass}}", "exact_copies belongs to privacy; move it to release.attacks"),
        ("release: {attacks: {c2st_auroc: pass}}", "c2st_auroc belongs to fidelity; move it to release.metrics"),
        ("release: {attacks: {exact_copies: 0.1}}", "write one of pass, look, not '0.1'"),
        (
            "release: {attacks: {exact_copies: {at_least: 0.1}}}",
            "of exact_copies lower is better: write {at_most: NUMBER}",
        ),
        ("release: {metrics: {tstr_auroc: {at_most: 0.1}}}", "higher is better: write {at_least: NUMBER}"),
        ("release: {attacks: {dcr: pass}}", "dcr informs only and has no verdict; give a number"),
        ("release: {checks: {passed: [primaryKey]}}", "there is no check 'primaryKey'; write isPrimaryKey"),
        ("approval: {by: [DPO], at_least: 2}", "2 approvals are asked for, and 1 can be given"),
        ("title: [a]", "title: write a text"),
        ("title: a: b", "policy.yaml line 2 is no YAML: mapping values are not allowed here"),
        ("learn: !!python/object {}\nrelease: {x: 1}", "there is no key 'x'"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, text, told):
    assert told in refused(tmp_path, text)


def test_a_file_that_is_no_policy_is_refused(tmp_path):
    file = tmp_path / "policy.yaml"
    for content, told in (
        (b"", "is empty; omopsql policy init -o"),
        (b"title: ours", "line 1: write policy: 1 first"),
        (b"policy: 2", "this omopsql reads form 1; write policy: 1"),
        (b"- policy: 1", "write keys with values below it, not a list"),
        (b"policy: 1\n---\npolicy: 1", "is no YAML"),
        (b"policy: \xff", "is not written in UTF-8"),
    ):
        file.write_bytes(content)
        with pytest.raises(OmopsqlError, match=told):
            read_policy(file)
    with pytest.raises(OmopsqlError, match=r"the policy .*none\.yaml cannot be read: No such file"):
        read_policy(tmp_path / "none.yaml")


def test_without_pyyaml_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert refused(tmp_path, "").endswith("needs pyyaml: pip install 'omopsql[publish]'")


def test_noise_is_held_to_its_ceilings(tmp_path):
    found = policy(tmp_path, "learn: {noise: {required: true, epsilon: 2, delta: 1e-6}}")
    found.refuse_noise(2.0, 1e-6)
    for epsilon, delta, told in (
        (None, None, "asks for noise: say epsilon := of at most 2"),
        (2.5, 1e-6, "epsilon is 2.5; .* allows at most 2"),
        (1.0, 1e-3, "delta is 0.001; .* allows at most 1e-06"),
    ):
        with pytest.raises(OmopsqlError, match=told):
            found.refuse_noise(epsilon, delta)
