"""Fidelity of whole CDMs: what is alike passes, what is planted is found, and what cannot be computed says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hospital_cdm import write_hospital
from named_metrics import by_name
from planted_cdm import AGAIN, PRESSURE, SELECTS, made, put

from omopsql.errors import OmopsqlError
from omopsql.evaluate.cdm import whole
from omopsql.evaluate.cdm.hospitals import open_hospitals
from omopsql.evaluate.metric import Metric
from omopsql.evaluate.verdicts import FAIL, LOOK, NOT_COMPUTED, PASS, TOLD, judged, kinds


def compared(
    con: duckdb.DuckDBPyConnection, real: str, synthetic: str, holdout: str | None = None, classify: bool = True
) -> dict[tuple[str, str], Metric]:
    """Metrics by name and subject."""
    with con.cursor() as cursor:
        hospitals = open_hospitals(cursor, real, synthetic, holdout, with_filled=True)
    return by_name(whole.compared(hospitals) if classify else whole.counted(hospitals))


def verdict(metric: Metric) -> str:
    return judged(metric)[1]


def verdicts(metrics: dict[tuple[str, str], Metric], *names: str) -> set[str]:
    """The verdicts of metrics, of the whole and of each subject."""
    return {verdict(one) for (name, _), one in metrics.items() if name in names}


@pytest.fixture(scope="module")
def alike(planted: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Metric]:
    return compared(planted, "real", "others")


def test_others_of_the_same_kind_fail_in_nothing(alike: dict[tuple[str, str], Metric]) -> None:
    failed = [one for one in alike.values() if verdict(one) == FAIL]
    assert not failed
    headline = [one for one in alike.values() if not one.subject and kinds()[one.metric].is_headline]
    assert len(headline) >= 12
    assert {verdict(one) for one in headline if one.metric != "visits_per_person_ks"} == {PASS}


def test_every_number_stands_in_its_interval_beside_a_reference(alike: dict[tuple[str, str], Metric]) -> None:
    with_interval = [one for one in alike.values() if one.value is not None and one.low is not None]
    assert len(with_interval) > 60
    for one in with_interval:
        assert one.low <= one.value <= one.high
        assert one.reference is not None, one
        assert one.n > 0


def test_records_of_other_persons_keep_prevalence_and_lose_company(planted: duckdb.DuckDBPyConnection) -> None:
    found = compared(planted, "real", "mixed")
    assert verdicts(found, "prevalence_r2", "prevalence_max_difference", "value_ks", "survival_distance") == {PASS}
    assert FAIL in verdicts(found, "pair_log_lift_r2")
    assert verdicts(found, "same_day_persons_r2", "transition_persons_r2") == {FAIL}
    assert verdicts(found, "sequence_c2st_auroc") == {FAIL}


def test_records_on_other_days_keep_company_in_persons_and_lose_order(planted: duckdb.DuckDBPyConnection) -> None:
    found = compared(planted, "real", "redated", classify=False)
    assert verdicts(found, "prevalence_r2", "pair_joint_r2", "pair_log_lift_r2") == {PASS}
    assert verdicts(found, "same_day_persons_r2", "same_day_log_r2", "transition_log_r2") == {FAIL}
    assert verdict(found["transition_persons_r2", "within 365 days"]) == FAIL
    assert verdict(found["gap_ks", ""]) == FAIL
    assert verdict(found["gap_ks", str(AGAIN)]) == FAIL


def test_noisier_measurements_are_seen_where_they_show(planted: duckdb.DuckDBPyConnection) -> None:
    found = compared(planted, "real", "noisy", classify=False)
    assert verdict(found["person_variability_ks", f"{PRESSURE} 8876"]) == FAIL
    assert verdict(found["autocorrelation_difference", ""]) == FAIL
    assert verdict(found["measurement_correlation_difference", ""]) == FAIL
    assert verdicts(found, "prevalence_r2", "pair_log_lift_r2", "transition_r2", "same_day_r2") == {PASS}


def test_real_persons_drawn_again_are_perfect(planted: duckdb.DuckDBPyConnection) -> None:
    planted.execute("CREATE SCHEMA drawn")
    drawn = np.random.default_rng(1).integers(0, 800, 800)
    planted.register("given", pa.table({"person_id": drawn, "number": np.arange(800)}))
    for name in SELECTS:
        planted.execute(f"""CREATE TABLE drawn.{name} AS
            SELECT number AS person_id, a.* EXCLUDE (person_id) FROM real.{name} AS a JOIN given USING (person_id)""")
    found = compared(planted, "real", "drawn")
    said = [verdict(one) for one in found.values()]
    assert FAIL not in said
    assert said.count(LOOK) < 0.05 * len(said)
    perfect = "prevalence_r2", "pair_joint_r2", "same_day_persons_r2", "transition_persons_r2", "gap_ks", "value_ks"
    assert verdicts(found, *perfect, "person_c2st_auroc", "sequence_c2st_auroc") == {PASS}


def test_a_holdout_is_the_reference(planted: duckdb.DuckDBPyConnection) -> None:
    found = compared(planted, "real", "others", "third", classify=False)
    other_way = compared(planted, "real", "third", "others", classify=False)
    for key in (("pair_joint_r2", ""), ("value_ks", ""), ("survival_distance", "death")):
        assert found[key].reference == other_way[key].value
        assert found[key].value == other_way[key].reference


def test_missing_values_are_counted_by_column(planted: duckdb.DuckDBPyConnection) -> None:
    planted.execute("CREATE SCHEMA holes")
    for name in SELECTS:
        planted.execute(f"CREATE TABLE holes.{name} AS FROM others.{name}")
    planted.execute("UPDATE holes.measurement SET value_as_number = NULL WHERE measurement_id % 4 = 0")
    planted.execute("ALTER TABLE holes.measurement DROP unit_concept_id")
    planted.execute("DROP TABLE holes.drug_exposure")
    found = compared(planted, "real", "holes", classify=False)
    assert found["missing_difference", "value_as_number"].value == pytest.approx(0.25)
    assert found["missing_difference", "unit_concept_id"].value == 1.0
    assert found["missing_difference", "measurement_date"].value == 0.0
    assert found["missing_difference", "drug_exposure"].note.endswith("holes has no rows of drug_exposure")
    assert found["missing_difference", "drug_exposure"].value is None


def test_few_persons_and_empty_tables_are_told_and_nothing_is_raised(con: duckdb.DuckDBPyConnection) -> None:
    put(con, "ten", made(10, 1))
    put(con, "others", made(10, 2))
    con.execute("CREATE SCHEMA bare")
    con.execute("CREATE TABLE bare.person AS SELECT person_id FROM ten.person")
    for synthetic in ("others", "bare"):
        found = compared(con, "ten", synthetic)
        assert found["pair_log_lift_r2", ""].value is None
        assert "20 real persons" in found["pair_log_lift_r2", ""].note
        assert "20 persons on both sides" in found["person_c2st_auroc", ""].note
        assert "5 died" in found["survival_distance", "death"].note
        assert found["value_ks", ""].value is None
    assert compared(con, "bare", "ten")["prevalence_r2", ""].value is None
    assert compared(con, "bare", "bare")["prevalence_r2", ""].value is None


def test_a_person_alone(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE SCHEMA one")
    con.execute("CREATE TABLE one.person AS SELECT 7 AS person_id, 8507 AS gender_concept_id")
    put(con, "ten", made(10, 1))
    assert compared(con, "one", "ten")
    assert compared(con, "ten", "one")


def test_no_person_is_an_error_with_one_line(con: duckdb.DuckDBPyConnection) -> None:
    put(con, "ten", made(10, 1))
    con.execute("CREATE SCHEMA nobody")
    con.execute("CREATE TABLE nobody.person AS FROM ten.person WHERE false")
    with pytest.raises(OmopsqlError, match="nobody has no persons"):
        compared(con, "ten", "nobody")
    con.execute("CREATE SCHEMA strange")
    con.execute("CREATE TABLE strange.person AS SELECT 1 AS id")
    with pytest.raises(OmopsqlError, match="table person has no column person_id"):
        compared(con, "strange", "ten")


def test_scores_say_what_they_need(alike: dict[tuple[str, str], Metric]) -> None:
    always = {"prevalence_difference", "person_c2st_auroc", "sequence_c2st_auroc"}
    assert set(whole._NEEDS) | always == {name for name, _ in alike} | {"visits_per_person_ks"}


def test_fidelity_tells_of_cdms(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    put(con, "real", made(120, 1))
    put(con, "made_up", made(120, 2))
    write_hospital(con, "made_up", tmp_path / "folder")
    answers = [
        con.execute(f"FROM omopsql.fidelity('real', '{synthetic}') ORDER BY ALL").fetchall()
        for synthetic in ("made_up", tmp_path / "folder")
    ]
    assert len(answers[0]) > 90
    assert {row[0] for row in answers[0]} == {"fidelity"}
    assert [row[1:6] for row in answers[0]] == [row[1:6] for row in answers[1]]


# Real data


def test_halves_of_real_records_are_alike(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    cdm = data_folder("cdm/gibleed_5.3")
    with duckdb.connect() as con:
        for schema, chosen in (("one", "="), ("other", "<>")):
            con.execute(f"CREATE SCHEMA {schema}")
            for file in cdm.glob("*.parquet"):
                columns = {row[0] for row in con.execute(f"DESCRIBE FROM '{file}'").fetchall()}
                if "person_id" in columns:
                    con.execute(
                        f"CREATE VIEW {schema}.{file.stem} AS FROM '{file}' WHERE hash(person_id) % 2 {chosen} 0"
                    )
        found = compared(con, "one", "other")
    counted = [verdict(one) for one in found.values()]
    assert counted.count(FAIL) == 0
    assert counted.count(LOOK) < 0.05 * len(counted)
    headline = {
        one.metric: verdict(one) for one in found.values() if kinds()[one.metric].is_headline and not one.subject
    }
    assert {name for name, said in headline.items() if said == NOT_COMPUTED} == {
        "value_ks", "person_variability_ks", "survival_distance",
    }  # fmt: skip
    assert set(headline.values()) == {PASS, NOT_COMPUTED}
    assert TOLD in counted


def test_a_cdm_of_53_against_one_of_54(data_folder: Callable[[str], Path]) -> None:
    cdms = [str(data_folder(f"cdm/{name}")) for name in ("gibleed_5.3", "synthea27nj_5.4")]
    with duckdb.connect() as con:
        found = compared(con, *cdms)
    assert verdict(found["prevalence_r2", ""]) == FAIL
    assert verdict(found["person_c2st_auroc", ""]) == FAIL
    assert found["persons", ""].value == 28
