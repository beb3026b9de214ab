"""The adapter cbioportal: studies as cBioPortal hands them out, on a time line without a calendar."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from omopsql.harmonize.run import harmonize

CONCEPT = """\
concept_id,concept_name,domain_id,vocabulary_id,concept_class_id,standard_concept,concept_code,invalid_reason
4112853,Malignant tumor of breast,Condition,SNOMED,Disorder,S,254837009,
36203168,Estrogen receptor,Measurement,LOINC,Lab Test,S,85337-4,
1635131,Stage 2,Measurement,Cancer Modifier,Staging/Grading,S,Stage-2,
8554,percent,Unit,UCUM,Unit,S,%,
"""
COMMENTS = "#Patient\tName\n#What it is\tof it\n#STRING\tSTRING\n#1\t1\n"
PATIENTS = (
    COMMENTS
    + "PATIENT_ID\tSEX\tAGE\tOS_MONTHS\tOS_STATUS\n"
    + "P-1\tFemale\t40\t12\t1:DECEASED\n"
    + "P-2\tMale\t\t24\t0:LIVING\n"
    + "P-3\tFemale\t\t6\tLIVING\n"
)
SAMPLES = (
    COMMENTS
    + "PATIENT_ID\tSAMPLE_ID\tSAMPLE_TYPE\tSAMPLE_SITE\tINVASIVE_CARCINOMA_DX_TIME\tNGS_SAMPLE_COLLECTION_TIME"
    + "\tSTAGE_AT_DIAGNOSIS\tER_STATUS_PRIMARY\tER_STATUS\tONCOTREE_CODE\tCANCER_TYPE_DETAILED\n"
    + "P-1\tS-1\tPrimary\tBreast\t\t\tIIA\tPositive\tPositive\tIDC\tBreast Invasive Ductal Carcinoma\n"
    + 'P-2\tS-2\tPrimary\tBreast "left"\t600.4\t600\tunk\tNegative\tUnk/ND\tIDC\tBreast Invasive Ductal Carcinoma\n'
    + "P-2\tS-3\tMetastasis\tBone\t600.4\t612.4\tunk\tNegative\tPositive\tIDC\tBreast Invasive Ductal Carcinoma\n"
)
_MUTATION = "Hugo_Symbol NCBI_Build Chromosome Start_Position Reference_Allele Tumor_Seq_Allele1 Tumor_Seq_Allele2 \
Tumor_Sample_Barcode HGVSp_Short t_ref_count t_alt_count"
MUTATIONS = "#version 2.4\n" + "\n".join(
    line.replace(" ", "\t")
    for line in (
        _MUTATION,
        "PIK3CA GRCh37 3 178952085 A A G S-1 p.H1047R 75 25",
        "PIK3CA GRCh38 3 178952085 A A G S-1 p.X 75 25",  # the same place on another build
        "PIK3CA hg19 chr3 178952085 A G A S-3 p.H1047R 50 50",  # other spellings; the alleles the other way round
        "PIK3CA GRCh37 3 178952085 A A T S-2 p.H1047L 90 10",
        "CDH1 GRCh37 16 68844167 T T - S-2 p.V252Efs*30 9 1",
        "TP53 GRCh37 17 7577538 C C T S-9 p.R248Q 1 1",  # of no sample
    )
)
GENOMIC = "concept_id,chromosome,pos,ref,alt,asssembly\n35980506,3,178952085,A,G,37\n35980584,3,179234297,A,G,38\n"

Read = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Read]:
    """Harmonize a study; the answer reads columns of the CDM's tables, sorted."""

    def run(**files: str) -> Read:
        written = {
            "source/data_clinical_patient.txt": files.get("patients", PATIENTS),
            "source/data_clinical_sample.txt": files.get("samples", SAMPLES),
            "source/data_mutations.txt": files.get("mutations", MUTATIONS),
            "source/oncologywg_stage_genomic.csv": files.get("genomic", GENOMIC),
            "vocabulary/concept.csv": CONCEPT,
            "vocabulary/concept_relationship.csv": "concept_id_1,concept_id_2,relationship_id,invalid_reason\n",
        }
        for name, text in written.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            if text:
                (tmp_path / name).write_text(text, encoding="utf-8")
        made = harmonize("cbioportal", str(tmp_path / "source"), str(tmp_path / "vocabulary"), tmp_path / "cdm")

        def read(table: str, *columns: str) -> list[tuple[Any, ...]]:
            if table == "report":
                return [line[:4] for line in zip(*(c.to_pylist() for c in made.report.columns), strict=True)]
            return duckdb.sql(
                f"SELECT {', '.join(columns)} FROM '{made.folder}/{table}.parquet' ORDER BY ALL"
            ).fetchall()

        return read

    return run


def test_ages_and_intervals_are_right(study):
    read = study()
    assert read("person", "person_source_value", "year_of_birth", "gender_concept_id") == [
        ("P-1", 1939, 8532),  # 40 completed years at diagnosis, which is set on 1980-01-01
        ("P-2", 1929, 8507),  # 600.4 months
    ]
    assert ("data_clinical_patient", "set aside", "age at diagnosis unknown", 1) in read("report")
    assert read("death", "death_date") == [(datetime.date(1980, 12, 31),)]
    assert read("observation_period", "observation_period_end_date - observation_period_start_date") == [(365,), (731,)]


def test_samples_are_specimens_on_their_days(study):
    read = study()
    assert read("specimen", "specimen_source_id", "specimen_date", "anatomic_site_source_value") == [
        ("S-1", datetime.date(1980, 1, 1), "Breast"),
        ("S-2", datetime.date(1980, 1, 1), 'Breast "left"'),  # whole months: not before its diagnosis
        ("S-3", datetime.date(1980, 12, 31), "Bone"),
    ]


def test_the_tumour_is_one_condition_for_each_patient(study):
    read = study()
    assert (
        read("condition_occurrence", "condition_concept_id", "condition_source_value", "condition_start_date")
        == [(4112853, "IDC", datetime.date(1980, 1, 1))] * 2
    )


def test_receptors_and_stage(study):
    read = study()
    found = read("measurement", "measurement_source_value", "measurement_concept_id", "value_source_value",
                 "value_as_concept_id", "measurement_date")  # fmt: skip
    primary = datetime.date(1980, 1, 1)
    assert [row for row in found if row[0].startswith(("ER", "STAGE"))] == [
        ("ER_STATUS", 36203168, "Positive", 4181412, primary),
        ("ER_STATUS", 36203168, "Positive", 4181412, datetime.date(1980, 12, 31)),
        ("ER_STATUS_PRIMARY", 36203168, "Negative", 45878588, primary),  # told with both samples, taken once
        ("ER_STATUS_PRIMARY", 36203168, "Positive", 4181412, primary),
        ("STAGE_AT_DIAGNOSIS IIA", 1635131, "IIA", None, primary),
    ]
    assert [row[:2] for row in found if row[0].startswith("Metastasis")] == [("Metastasis Bone", 36769301)]


def test_mutations_are_found_by_exact_coordinates(study):
    read = study()
    found = read("measurement", "measurement_source_value", "measurement_concept_id", "value_source_value",
                 "value_as_number", "unit_concept_id")  # fmt: skip
    assert [row for row in found if ":" in row[2]] == [
        ("CDH1 p.V252Efs*30", 0, "GRCh37:16:68844167:T>-", 10.0, 8554),
        ("PIK3CA p.H1047L", 0, "GRCh37:3:178952085:A>T", 10.0, 8554),
        ("PIK3CA p.H1047R", 35980506, "GRCh37:3:178952085:A>G", 25.0, 8554),
        ("PIK3CA p.H1047R", 35980506, "GRCh37:3:178952085:A>G", 50.0, 8554),
        ("PIK3CA p.X", 0, "GRCh38:3:178952085:A>G", 25.0, 8554),
    ]
    report = read("report")
    assert ("data_mutations", "mapped", "", 2) in report
    assert ("data_mutations", "set aside", "unknown sample", 1) in report
    assert sum(n for table, outcome, _, n in report if table == "data_mutations" and outcome != "note") == 6


def test_without_genomic_concepts_and_mutations(study):
    read = study(genomic="", mutations="")
    assert len(read("person", "*")) == 2
    assert not [row for row in read("measurement", "value_source_value") if ":" in row[0]]


def test_the_breast_cancer_study(data_folder, tmp_path):
    source, vocabulary = data_folder("source/breast_msk_2018"), data_folder("vocabulary/athena_subset")
    made = harmonize("cbioportal", str(source), str(vocabulary), tmp_path / "cdm")
    assert (made.rows["person"], made.rows["death"], made.rows["specimen"]) == (1756, 382, 1918)
    measurement = f"'{made.folder}/measurement.parquet'"
    genomic = f"read_csv('{source}/oncologywg_stage_genomic.csv')"
    genes = duckdb.sql(
        f"""
        SELECT split_part(measurement_source_value, ' ', 1) AS gene, count(*) AS n
        FROM {measurement} SEMI JOIN {genomic} ON measurement_concept_id = concept_id
        GROUP BY ALL ORDER BY n DESC, gene LIMIT 6
        """
    ).fetchall()
    assert genes == [("PIK3CA", 761), ("ESR1", 136), ("AKT1", 92), ("TP53", 89), ("ERBB2", 48), ("PTEN", 35)]
    mutations = duckdb.sql(
        f"SELECT count(*), count(*) FILTER (measurement_concept_id <> 0) FROM {measurement} "
        "WHERE starts_with(value_source_value, 'GRCh37:')"
    ).fetchall()
    assert mutations == [(9314, 1358)]
    survival = duckdb.sql(
        f"""
        SELECT count(*)
        FROM '{made.folder}/observation_period.parquet'
        JOIN '{made.folder}/person.parquet' USING (person_id)
        JOIN read_csv('{source}/data_clinical_patient.txt', delim = '\t', comment = '#')
            ON PATIENT_ID = person_source_value
        WHERE observation_period_end_date - DATE '1980-01-01' >= round(OS_MONTHS * 365.25 / 12)
        """
    ).fetchall()
    assert survival == [(1756,)]
