"""A PostgreSQL database is a source like a folder. Needs PostgreSQL's programs and the extra."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import clinic
import duckdb
import pytest

from omopsql.errors import OmopsqlError
from omopsql.harmonize.run import harmonize

dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi", reason="pip install 'omopsql[postgresql]'")


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs; Debian keeps them aside."""
    found = [*sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True), shutil.which(name)]
    if not found[0]:
        pytest.skip(f"PostgreSQL is not installed: there is no {name}")
    return str(found[0])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server of our own on loopback, while the tests run.

    It refuses to run as root, so root lends an account. Its folder is none of pytest's: those are closed to other
    accounts whenever another run of pytest begins.
    """
    initdb, postgres = program("initdb"), program("postgres")
    with tempfile.TemporaryDirectory(prefix="omopsql-postgresql-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        account = {}
        if os.geteuid() == 0:
            account = {"user": "postgres", "group": "postgres"}
            shutil.chown(folder, "postgres", "postgres")
        made = [initdb, "-D", folder / "data", "-U", "tester", "--auth=trust", "--encoding=UTF8"]
        initialized = subprocess.run(made, capture_output=True, text=True, cwd=folder, **account)
        if initialized.returncode:
            pytest.skip(f"PostgreSQL cannot make a database here: {initialized.stderr.strip()[-500:]}")
        yield from serving(postgres, folder, account)


def serving(postgres: str, folder: Path, account: dict[str, str]) -> Iterator[str]:
    """Start the server of a folder on a free port, give its address, and stop it in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [postgres, "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", ""]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **account)
    try:
        yield wait_for(f"postgresql://tester@127.0.0.1:{port}/postgres", process)
    finally:
        process.terminate()
        process.wait(20)


def wait_for(uri: str, process: subprocess.Popen) -> str:
    for _ in range(100):
        assert process.poll() is None, "the server did not start"
        try:
            dbapi.connect(uri).close()
        except dbapi.Error:
            subprocess.run(["sleep", "0.1"], check=True)
        else:
            return uri
    raise AssertionError("the server does not answer")


def fill(uri: str, schema: str) -> None:
    """Put the clinic's extracts into a schema, typed as a hospital would."""
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        cursor.execute(f'CREATE TABLE "{schema}".patients (patient_no text, sex varchar(1), born text, died date)')
        cursor.execute(f'CREATE TABLE "{schema}".stays (stay_no int, patient_no text, admitted date, discharged date)')
        cursor.execute(
            f'CREATE TABLE "{schema}".diagnoses (patient_no text, stay_no int, icd_code text, coded_on text)'
        )
        cursor.execute(
            f'CREATE TABLE "{schema}".laboratory '
            "(patient_no text, loinc text, value numeric(10, 2), unit text, taken timestamp)"
        )
        for table, text in (
            ("patients", clinic.PATIENTS),
            ("stays", clinic.STAYS),
            ("diagnoses", clinic.DIAGNOSES),
            ("laboratory", clinic.LABORATORY.replace("haemolysed", "")),
        ):
            for line in text.splitlines()[1:]:
                values = ", ".join(f"'{value}'" if value else "NULL" for value in line.split(","))
                cursor.execute(f'INSERT INTO "{schema}".{table} VALUES ({values})')
        connection.commit()


@pytest.mark.parametrize("schema", ["public", "Klinik 1"])
def test_a_database_gives_the_cdm_that_files_give(server, tmp_path, schema):
    adapter, source, vocabulary = clinic.write_clinic(tmp_path)
    (Path(source) / "laboratory.csv").write_text(clinic.LABORATORY.replace("haemolysed", ""))
    (Path(source) / "drugs.csv").unlink()
    fill(server, schema)
    uri = server if schema == "public" else f"{server}?schema={schema.replace(' ', '%20')}"
    by_files, by_database = (
        harmonize(adapter, s, vocabulary, tmp_path / name).folder for s, name in ((source, "files"), (uri, "database"))
    )
    for table in ("person", "death", "visit_occurrence", "condition_occurrence", "observation"):
        one, two = (duckdb.sql(f"FROM '{cdm}/{table}.parquet'").fetchall() for cdm in (by_files, by_database))
        assert one == two
    values = duckdb.sql(f"SELECT value_as_number FROM '{by_database}/measurement.parquet' ORDER BY ALL").fetchall()
    assert values == [(7.9,), (13.1,), (None,)]


def test_a_server_that_does_not_answer_is_named(tmp_path):
    adapter, _, vocabulary = clinic.write_clinic(tmp_path)
    with pytest.raises(OmopsqlError, match=r"database at 127\.0\.0\.1 cannot be reached"):
        harmonize(adapter, "postgresql://nobody:secret@127.0.0.1:1/none", vocabulary, tmp_path / "cdm")


def test_an_empty_schema_is_named(server, tmp_path):
    adapter, _, vocabulary = clinic.write_clinic(tmp_path)
    with pytest.raises(OmopsqlError, match="schema nowhere holds no tables"):
        harmonize(adapter, f"{server}?schema=nowhere", vocabulary, tmp_path / "cdm")
