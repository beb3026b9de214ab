"""What a policy denies never enters a model, of a CDM or of a table; whoever reads the model's text finds nothing."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hospital_cdm import ABOVE_RARE, COLD, DRUG, FRACTURE, INPATIENT, RARE, RARER, WEIGHT, make_hospital

import omopsql

HIV, BELOW_HIV, HIV_CODE, PNEUMONIA, POSITIVE, VIRAL = 770001, 770002, 770003, 770004, 770005, 770006

_ADDED = f"""
ALTER TABLE cdm.condition_occurrence ADD COLUMN condition_source_value VARCHAR;
ALTER TABLE cdm.condition_occurrence ADD COLUMN condition_source_concept_id INTEGER;
UPDATE cdm.condition_occurrence SET condition_source_value = 'code ' || condition_concept_id;
-- one code is two diseases: the code tells of the first wherever the second is recorded
INSERT INTO cdm.condition_occurrence
SELECT 900000 + person_id * 10 + k, person_id,
    CASE k WHEN 0 THEN {HIV} WHEN 1 THEN {PNEUMONIA} WHEN 2 THEN {BELOW_HIV} ELSE 0 END,
    DATE '2013-01-01' + CAST(person_id % 50 AS INTEGER), 32020, NULL,
    CASE k WHEN 2 THEN 'local HIV' WHEN 3 THEN 'unmapped text' ELSE 'B20' END,
    CASE k WHEN 0 THEN {HIV_CODE} WHEN 1 THEN {HIV_CODE} ELSE 0 END
FROM cdm.person, range(4) AS r (k) WHERE person_id % 2 = 0;
-- the same disease with a code of its own, and with that code but without its concept
INSERT INTO cdm.condition_occurrence
SELECT 990000 + person_id, person_id, {PNEUMONIA}, DATE '2013-02-01', 32020, NULL, 'B20', 0
FROM cdm.person WHERE person_id % 2 = 1;
ALTER TABLE cdm.measurement ADD COLUMN unit_source_value VARCHAR;
UPDATE cdm.measurement SET unit_source_value = 'kg', value_as_concept_id = {POSITIVE} WHERE person_id % 3 = 0;
ALTER TABLE cdm.death ADD COLUMN cause_concept_id INTEGER;
ALTER TABLE cdm.death ADD COLUMN cause_source_value VARCHAR;
UPDATE cdm.death SET cause_concept_id = {HIV}, cause_source_value = 'died of HIV';
INSERT INTO cdm.concept SELECT id, 'a concept', 'Condition', 'S'
FROM (VALUES ({HIV}), ({BELOW_HIV}), ({PNEUMONIA}), ({VIRAL})) AS c (id);
INSERT INTO cdm.concept_ancestor VALUES ({HIV}, {HIV}, 0, 0), ({HIV}, {BELOW_HIV}, 1, 1), ({VIRAL}, {HIV}, 1, 1);
CREATE TABLE cdm.concept_relationship AS
SELECT {HIV_CODE} AS concept_id_1, {HIV} AS concept_id_2, 'Maps to' AS relationship_id
UNION ALL SELECT {HIV_CODE}, {PNEUMONIA}, 'Maps to';
"""

_LISTED = "FROM omopsql.cdm_fit('cdm', policy := 'policy.yaml', min_cell := 5)"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A hospital of 120 persons in the schema cdm, where half have HIV; the working directory is an empty folder."""
    with contextlib.chdir(tmp_path_factory.mktemp("policy")), contextlib.closing(omopsql.connect()) as con:
        con.execute("SET enable_progress_bar = false")
        make_hospital(con)
        con.execute(_ADDED)
        yield con


def learned(con: duckdb.DuckDBPyConnection, rules: str, options: str = "") -> list[tuple]:
    """The rows of a model that was fitted under a policy; ``rules`` is what it says of a CDM."""
    Path("policy.yaml").write_text(f"policy: 1\nlearn: {{cdm: {rules}}}", encoding="utf-8")
    con.execute(
        f"CREATE OR REPLACE TABLE model AS FROM omopsql.cdm_fit('cdm', min_cell := 5, {options}policy := 'policy.yaml')"
    )
    return con.execute("FROM model").fetchall()


def named(rows: list[tuple], *wanted: int | str) -> set[int | str]:
    """Which numbers or texts stand anywhere in a model: in its keys or its labels."""
    text = "\n".join(f"{statistic} {' '.join(map(str, key))} {label}" for statistic, key, label, _ in rows)
    return {one for one in wanted if re.search(rf"(?<!\d){re.escape(str(one))}(?!\d)", text)}


def statistics(rows: list[tuple]) -> set[str]:
    return {row[0] for row in rows}


def test_the_model_would_tell_all_of_it_without_a_policy(hospital):
    """Else the tests below could not fail."""
    rows = hospital.execute("FROM omopsql.cdm_fit('cdm', min_cell := 5)").fetchall()
    every = (
        HIV,
        BELOW_HIV,
        HIV_CODE,
        PNEUMONIA,
        POSITIVE,
        "B20",
        "local HIV",
        "died of HIV",
        "unmapped text",
        9529,
        "kg",
    )
    assert named(rows, *every) == set(every)
    assert named(rows, FRACTURE, WEIGHT, DRUG, INPATIENT, 8516) == {FRACTURE, WEIGHT, DRUG, INPATIENT, 8516}
    assert any(name.startswith("people.dead") for name in statistics(rows))
    header = next(json.loads(row[2]) for row in rows if row[0] == "hospital")
    assert set(header) == {"cdm_version", "format", "margins", "min_cell", "omopsql", "private", "round"}


def test_a_policy_that_denies_nothing_changes_the_header_alone(hospital):
    plain = hospital.execute("FROM omopsql.cdm_fit('cdm', min_cell := 5)").fetchall()
    rows = learned(hospital, "{}")
    assert [row for row in rows if row[0] != "hospital"] == [row for row in plain if row[0] != "hospital"]
    header = next(json.loads(row[2]) for row in rows if row[0] == "hospital")
    assert len(header["policy"]) == 64
    words = hospital.execute("SELECT words FROM omopsql.cdm_describe('model') LIMIT 1").fetchall()[0][0]
    assert f"learned under the policy with sha256 {header['policy']}" in words


def test_a_denied_concept_is_not_named_nor_anything_that_tells_of_it(hospital):
    rows = learned(hospital, f"{{concepts: {{deny: [{HIV}]}}}}")
    assert named(rows, HIV, BELOW_HIV, HIV_CODE, "B20", "HIV") == set()
    assert named(rows, PNEUMONIA, POSITIVE, FRACTURE) == {PNEUMONIA, POSITIVE, FRACTURE}
    assert named(rows, VIRAL) == set(), "no rarer concept of it counts as what is above"
    assert any(name.startswith("people.dead") for name in statistics(rows)), "they died, of whatever cause"
    persons = {tuple(row[1]): row[3] for row in rows if row[0] == "items"}
    assert persons[0, PNEUMONIA] == 60, "with the code of HIV, pneumonia is left out too; with its text alone it stays"


def test_a_concept_alone_leaves_those_below_it(hospital):
    rows = learned(hospital, f"{{concepts: {{deny: [{{concept: {HIV}, descendants: false}}]}}}}")
    assert named(rows, HIV, HIV_CODE, BELOW_HIV) == {BELOW_HIV}


def test_nothing_counts_as_a_denied_ancestor(hospital):
    free = hospital.execute("FROM omopsql.cdm_fit('cdm')").fetchall()
    assert named(free, ABOVE_RARE, RARE) == {ABOVE_RARE, RARE}
    Path("policy.yaml").write_text(
        f"policy: 1\nlearn: {{cdm: {{concepts: {{deny: [{{concept: {ABOVE_RARE}, descendants: false}}]}}}}}}"
    )
    rows = hospital.execute("FROM omopsql.cdm_fit('cdm', policy := 'policy.yaml')").fetchall()
    assert named(rows, ABOVE_RARE) == set()
    assert {tuple(row[1]) for row in rows if row[0] == "items.left_out"} == {(0, RARE), (0, RARER)}


def test_a_denied_value_unit_or_sex_is_empty_and_its_record_stays(hospital):
    rows = learned(hospital, f"{{concepts: {{deny: [{POSITIVE}, 9529, 8532]}}}}")
    assert named(rows, POSITIVE, 9529, 8532, "kg") == set()
    assert named(rows, WEIGHT, 8507) == {WEIGHT, 8507}
    assert sum(row[3] for row in rows if row[0] == "people.sex") == 120, "persons stay, of unknown sex"


def test_with_a_list_of_allowed_concepts_no_other_is_learned(hospital):
    rows = learned(hospital, f"{{concepts: {{allow: [{COLD}, {HIV}, {WEIGHT}], deny: [{BELOW_HIV}]}}}}")
    items = {tuple(row[1]) for row in rows if row[0] == "items"}
    assert {concept for table, concept in items if table != 9} == {COLD, HIV, WEIGHT}
    assert named(rows, INPATIENT, 9529) == {INPATIENT, 9529}, "visits and units are not meant"
    assert named(rows, BELOW_HIV, PNEUMONIA, "unmapped text", f"code {FRACTURE}") == set()
    assert named(rows, HIV_CODE, "B20") == set(), "they tell of pneumonia too, which is not on the list"
    assert not any(row[0] in ("items.rolled_up", "items.left_out") for row in rows)


def test_records_without_a_concept_can_be_denied(hospital):
    rows = learned(hospital, "{unmapped: deny}")
    assert named(rows, "unmapped text") == set()
    assert named(rows, HIV, "B20") == {HIV, "B20"}
    assert (0, 0) not in {tuple(row[1]) for row in rows if row[0] == "items"}


def test_a_denied_table_is_absent(hospital):
    rows = learned(hospital, "{tables: {deny: [death, drug_exposure, visit_occurrence]}}")
    assert not any(name.startswith("people.dead") for name in statistics(rows))
    assert named(rows, DRUG, INPATIENT, "died of HIV") == set()
    held = {row[2] for row in rows if row[0] == "attributes.tables"}
    assert held.isdisjoint({"death", "drug_exposure", "visit_occurrence"})
    only = learned(hospital, "{tables: {allow: [person, observation_period, measurement]}}")
    assert {tuple(row[1]) for row in only if row[0] == "items"} == {(4, WEIGHT)}


def test_a_denied_column_is_absent(hospital):
    rows = learned(
        hospital, "{columns: {deny: [person.race_concept_id, '*.*_source_value', measurement.value_as_number]}}"
    )
    assert named(rows, 8516, 8527, "B20", "kg", "died of HIV", "unmapped text") == set()
    assert not any(name.startswith("values.value") for name in statistics(rows))
    assert named(rows, WEIGHT) == {WEIGHT}
    only = learned(hospital, "{columns: {allow: [person.*, condition_occurrence.condition_concept_id]}}")
    assert named(only, 8516, COLD) == {8516, COLD}
    assert named(only, 32020, "B20", POSITIVE, INPATIENT) == set()
    assert {(4, 0), (9, 0)} < {tuple(row[1]) for row in only if row[0] == "items"}, (
        "days are known, and nothing of them"
    )


def test_a_column_that_is_withheld_still_decides_which_records_are_left_out(hospital):
    rules = f"{{columns: {{deny: [condition_concept_id]}}, concepts: {{deny: [{HIV}]}}}}"
    assert named(learned(hospital, rules), HIV, HIV_CODE, "B20", "local HIV") == set()


def test_the_floor_for_cells_holds(hospital):
    Path("policy.yaml").write_text("policy: 1\nlearn: {min_cell: 30}")
    rows = hospital.execute(_LISTED).fetchall()
    assert next(json.loads(row[2])["min_cell"] for row in rows if row[0] == "hospital") == 30
    assert min(row[3] for row in rows if row[0] == "items") >= 30


def test_descendants_that_are_asked_for_need_a_vocabulary(hospital):
    hospital.execute("CREATE SCHEMA IF NOT EXISTS bare")
    for table in ("person", "observation_period", "condition_occurrence"):
        hospital.execute(f"CREATE OR REPLACE TABLE bare.{table} AS FROM cdm.{table}")
    Path("policy.yaml").write_text(
        f"policy: 1\nlearn: {{cdm: {{concepts: {{deny: [{{concept: {HIV}, descendants: true}}]}}}}}}"
    )
    with pytest.raises(
        duckdb.Error, match=f"asks for the descendants of {HIV}, and bare has no table concept_ancestor"
    ):
        hospital.execute("FROM omopsql.cdm_fit('bare', policy := 'policy.yaml')")
    Path("policy.yaml").write_text(f"policy: 1\nlearn: {{cdm: {{concepts: {{deny: [{HIV}]}}}}}}")
    rows = hospital.execute("FROM omopsql.cdm_fit('bare', policy := 'policy.yaml')").fetchall()
    assert named(rows, HIV, BELOW_HIV) == {BELOW_HIV}, "policy check says that descendants are unknown"


def test_hospitals_that_learn_together_have_one_policy(con, tmp_path):
    make_hospital(con, "north", 60)
    make_hospital(con, "south", 60, first=61)
    make_hospital(con, "whole")
    for name, text in (("ours", f"{{concepts: {{deny: [{COLD}]}}}}"), ("theirs", "{}")):
        (tmp_path / f"{name}.yaml").write_text(f"policy: 1\nlearn: {{cdm: {text}}}")

    def fit(name: str, cdm: str, policy: str, options: str = "") -> None:
        file = tmp_path / f"{policy}.yaml"
        con.execute(f"CREATE TABLE {name} AS FROM omopsql.cdm_fit('{cdm}', policy := '{file}'{options})")

    for cdm in ("north", "south"):
        fit(f"{cdm}_first", cdm, "ours", ", for_merge := true, margins_only := true")
    fit("other", "south", "theirs", ", for_merge := true, margins_only := true")
    with pytest.raises(duckdb.Error, match="north_first and other were fitted under different policies"):
        con.execute("FROM omopsql.merge(['north_first', 'other'], for_merge := true)")
    con.execute("CREATE TABLE margins AS FROM omopsql.merge(['north_first', 'south_first'], for_merge := true)")
    with pytest.raises(duckdb.Error, match="margins were counted under another policy"):
        fit("wrong", "north", "theirs", ", for_merge := true, margins := 'margins'")
    for cdm in ("north", "south"):
        fit(f"{cdm}_second", cdm, "ours", ", for_merge := true, margins := 'margins'")
    con.execute("CREATE TABLE merged AS FROM omopsql.merge(['north_second', 'south_second'])")
    fit("pooled", "whole", "ours")
    assert con.execute("FROM merged").fetchall() == con.execute("FROM pooled").fetchall()
    assert named(con.execute("FROM merged").fetchall(), COLD) == set()


# Tables

_PATIENTS = """
CREATE TABLE patients AS
SELECT *, CASE WHEN diabetes THEN 'hidden' ELSE 'none' END::ENUM ('hidden', 'none') AS status, sex AS "Last Name"
FROM omopsql.example_patients(300)
"""


@pytest.fixture
def patients(con: duckdb.DuckDBPyConnection, folder: Path) -> duckdb.DuckDBPyConnection:
    con.execute(_PATIENTS)
    return con


def of_table(text: str) -> None:
    Path("policy.yaml").write_text(f"policy: 1\nlearn: {{table: {{columns: {text}}}}}", encoding="utf-8")


def test_denied_columns_come_back_null_and_nothing_of_them_is_in_the_model(patients):
    of_table("{deny: [status, '*NAME*', patients.smoking, elsewhere.anything]}")
    plain = patients.execute("FROM omopsql.copula_fit('patients')").fetchall()
    assert "hidden" in str(plain), "else this test could not fail"
    patients.execute("CREATE TABLE m AS FROM omopsql.copula_fit('patients', policy := 'policy.yaml')")
    rows = patients.execute("FROM m").fetchall()
    assert "hidden" not in str(rows), "an ENUM's type would tell its values"
    told = {row[1][0]: row[3] for row in rows if row[0] == "column"}
    assert all('"kind": "not learned"' in told[name] for name in ("status", "Last Name", "smoking"))
    others = {name for names in (row[1] for row in rows if row[0] not in ("column", "model")) for name in names}
    assert others.isdisjoint({"status", "Last Name", "smoking"})
    sample = 'SELECT count(*), count(status), count("Last Name"), count(smoking), count(bmi) FROM omopsql.'
    assert patients.execute(f"{sample}copula_sample('m', 40)").fetchall() == [(40, 0, 0, 0, 40)]
    synthesized = f"{sample}synthesize('patients', 40, policy := 'policy.yaml')"
    assert patients.execute(synthesized).fetchall() == [(40, 0, 0, 0, 40)]


def test_the_policy_stands_in_the_first_row_and_nowhere_without_one(patients):
    of_table("{deny: [status]}")
    about = "SELECT value FROM omopsql.copula_fit('patients'{}) WHERE statistic = 'model'"
    plain = json.loads(patients.execute(about.format("")).fetchall()[0][0])
    assert set(plain) == {"format", "omopsql", "method", "min_cell"}
    under = json.loads(patients.execute(about.format(", policy := 'policy.yaml'")).fetchall()[0][0])
    assert set(under) == {*plain, "policy"}
    patients.execute("CREATE TABLE m AS FROM omopsql.copula_fit('patients', policy := 'policy.yaml')")
    words = patients.execute("SELECT description FROM omopsql.copula_describe('m') LIMIT 1").fetchall()[0][0]
    assert f"learned under the policy with sha256 {under['policy']}" in words


def test_only_allowed_columns_are_learned(patients):
    of_table("{allow: [sex, bmi], deny: [bmi]}")
    rows = patients.execute("FROM omopsql.copula_fit('patients', policy := 'policy.yaml')").fetchall()
    learned_columns = {row[1][0] for row in rows if row[0] == "margin"}
    assert learned_columns == {"sex"}


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("{deny: [statuss]}", "", "patients has no column 'statuss'; it has patient_id, sex"),
        ("{allow: [patients.smokes]}", "", "patients has no column 'patients.smokes'"),
        ("{deny: [status]}", ", columns := {'status': 'category'}", "does not allow 'status' to be learned"),
    ],
)
def test_what_a_policy_and_a_table_disagree_on_is_refused(patients, text, options, told):
    of_table(text)
    with pytest.raises(duckdb.Error, match=re.escape(told)):
        patients.execute(f"FROM omopsql.copula_fit('patients', policy := 'policy.yaml'{options})")


def test_a_table_of_a_cdm_is_bound_by_what_is_said_of_the_cdm(con, folder):
    make_hospital(con)
    fit = "FROM omopsql.copula_fit('cdm.{}', policy := 'policy.yaml')"
    Path("policy.yaml").write_text(
        f"policy: 1\nlearn: {{cdm: {{tables: {{deny: [death]}}, columns: {{deny: [race_concept_id]}}, "
        f"concepts: {{deny: [{COLD}]}}}}, table: {{columns: {{deny: [person.gender_concept_id, '*ethnicity*']}}}}}}"
    )
    with pytest.raises(duckdb.Error, match="does not allow the table death to be learned"):
        con.execute(fit.format("death"))
    with pytest.raises(duckdb.Error, match="holds concepts in condition_concept_id: deny that column"):
        con.execute(fit.format("condition_occurrence"))
    rows = con.execute(fit.format("person")).fetchall()
    assert {row[1][0] for row in rows if row[0] == "margin"} == {"year_of_birth", "month_of_birth", "day_of_birth"}


def test_noise_that_is_required_is_not_forgotten(patients):
    Path("policy.yaml").write_text("policy: 1\nlearn: {noise: {required: true}}")
    with pytest.raises(duckdb.Error, match="asks for noise: say epsilon"):
        patients.execute("FROM omopsql.copula_fit('patients', policy := 'policy.yaml')")
