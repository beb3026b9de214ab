"""What omopsql synthesize and evaluate say of their files, so that a release can be held against it."""

import contextlib
import hashlib
import json
from pathlib import Path

import commands
import published
import pytest

import omopsql
from omopsql.publish.marking import generation_of_model, marks, read_marks
from omopsql.publish.synthetic import Synthetic, judged


def test_a_table_that_synthesize_writes_is_marked(learned_clinic, tmp_path):
    output = tmp_path / "synthetic.parquet"
    commands.done("synthesize", str(learned_clinic / "model.parquet"), "-n", "50", "--seed", "-3", "-o", str(output))
    with contextlib.closing(omopsql.connect()) as con:
        made = generation_of_model(con, str(learned_clinic / "model.parquet"), -3)
    assert read_marks(output) == marks(made)
    assert (made.learned, made.seed, made.min_cell, made.epsilon) == (2000, -3, 10, None)
    first = output.read_bytes()
    commands.done("synthesize", str(learned_clinic / "model.parquet"), "-n", "50", "--seed", "-3", "-o", str(output))
    assert output.read_bytes() == first


def test_a_hospital_that_synthesize_writes_is_marked(demo_folder):
    cdm, model = demo_folder / "synthetic/cdm", demo_folder / "synthetic/model.parquet"
    told = json.loads((cdm / "_synthesis/manifest.json").read_text())
    with contextlib.closing(omopsql.connect()) as con:
        made = generation_of_model(con, str(model), told["seed"])
    assert told["model"] == made.model_sha256
    synthetic = Synthetic.open(cdm)
    assert synthetic.generations() == {made}
    assert told["files"] == {
        synthetic.name_of(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in synthetic.files
    }
    assert (made.method, synthetic.is_cdm) == ("hospital", True)


def test_an_evaluation_names_the_bytes_it_judged(folder):
    for name in ("real", "synthetic"):
        published.write_table(Path(f"{name}.parquet"), rows=400)
    commands.done("evaluate", "real.parquet", "synthetic.parquet", "-o", "report")
    told = json.loads(Path("report/evaluation.json").read_text())
    (file,) = told["judged"]["files"]
    assert file["path"] == "synthetic.parquet"
    assert file["sha256"] == hashlib.sha256(Path("synthetic.parquet").read_bytes()).hexdigest()
    assert told["judged"]["model_sha256"] == published.MADE.model_sha256


@pytest.mark.parametrize("source", ["nothing", "main.person", "*.parquet"])
def test_what_is_no_file_has_no_bytes(folder, source):
    assert judged(source) == {"files": [], "model_sha256": None}


def test_a_folder_is_judged_without_its_vocabulary(folder):
    published.write_cdm(Path("cdm"))
    published.write_table(Path("cdm/concept.parquet"), generation=None)
    found = judged("cdm")
    assert [file["path"] for file in found["files"]] == [
        "cdm_source.parquet",
        "condition_occurrence.parquet",
        "measurement/part-0001.parquet",
        "measurement/part-0002.parquet",
        "observation_period.parquet",
        "person.parquet",
    ]


def test_a_schema_of_that_name_comes_before_a_folder(folder):
    """What is evaluated is the schema, so the folder's bytes were not judged."""
    published.write_table(Path("synthetic.parquet"), rows=400)
    with contextlib.closing(omopsql.connect("hospital.duckdb")) as con:
        con.execute("CREATE TABLE real AS FROM 'synthetic.parquet'")
        con.execute("CREATE TABLE \"synthetic.parquet\" AS FROM 'synthetic.parquet'")
    commands.done("evaluate", "real", "synthetic.parquet", "--database", "hospital.duckdb", "-o", "report")
    assert json.loads(Path("report/evaluation.json").read_text())["judged"]["files"] == []
