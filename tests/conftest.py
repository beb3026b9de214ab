"""What every test may ask for: a connection, a folder of real data, a Python process of its own."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import catalogued
import clinic
import commands
import duckdb
import federation
import planted_cdm
import published
import pytest
from hypothesis import settings

import omopsql
import omopsql.demo

settings.register_profile("steady", deadline=None, derandomize=True)  # the first call of a kernel compiles it
settings.load_profile("steady")

DATA_VARIABLE = "OMOPSQL_TEST_DATA"
# For benchmarks/, which are not installed. An installed omopsql comes first.
sys.path.append(str(Path(__file__).parents[1]))


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database in memory with every function."""
    connection = omopsql.connect()
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``omopsql demo`` makes: the folders source, vocabulary and cdm of a simulated hospital; and a release."""
    folder = tmp_path_factory.mktemp("demo") / "omopsql_demo"
    omopsql.demo.make(folder, 2000, 1)
    published.write_release(folder / "synthetic" / "cdm", folder / "release")
    return folder


@pytest.fixture
def data_folder() -> Callable[[str], Path]:
    """Find a folder of test data that is too large for the repository, or skip the test."""

    def find(name: str) -> Path:
        root = os.environ.get(DATA_VARIABLE)
        if not root:
            pytest.skip(f"{DATA_VARIABLE} names no folder of test data; this test needs {name} in it")
        folder = Path(root) / name
        if not folder.exists():
            pytest.skip(f"there is no {name} in {root} ({DATA_VARIABLE})")
        return folder

    return find


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str, str]:
    """The clinic's adapter, extracts and vocabulary."""
    return clinic.write_clinic(tmp_path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(omopsql.__file__).parents[1]))
    return tmp_path


@pytest.fixture(scope="session")
def learned_clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated patients as a CSV file, in a DuckDB file, and a model of them."""
    place = tmp_path_factory.mktemp("clinic")
    with contextlib.closing(omopsql.connect(place / "hospital.duckdb")) as con:
        con.execute("CREATE TABLE person AS SELECT *, NULL::INTEGER[] AS codes FROM omopsql.example_patients(2000)")
        con.execute(f"COPY (FROM omopsql.example_patients(2000)) TO '{place / 'patients.csv'}'")
    commands.done("fit", "person", "--database", str(place / "hospital.duckdb"), "-o", str(place / "model.parquet"))
    return place


@pytest.fixture(scope="session")
def masked_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything of a study of three sites up to the total, and the share files."""
    place = tmp_path_factory.mktemp("study")
    federation.write_masked_study(place)
    return place


@pytest.fixture
def there(masked_study: Path, folder: Path) -> Path:
    """A copy of the study as the working directory."""
    shutil.copytree(masked_study, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def catalogue_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of four data sets that ``omopsql catalogue`` wrote."""
    return catalogued.write_site(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="session")
def planted() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database of schemas: persons, others of the same kind, and others of whom something was changed."""
    with contextlib.closing(duckdb.connect()) as con:
        planted_cdm.put_all(con)
        yield con


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code in a process of its own, with its own import of omopsql and its own environment."""

    def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if name != omopsql.transport.VARIABLE}
        root = str(Path(omopsql.__file__).parents[1])
        inherited["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=inherited | environment, timeout=300
        )

    return run


_EVERY_KERNEL = """
import json, duckdb
early = duckdb.connect()
import omopsql
import omopsql.demo
from omopsql import registry
from omopsql.transport import arrow

over_arrow = []
arrow_register = arrow.register
arrow.register = lambda con: (over_arrow.append(con), arrow_register(con))
columns = {"DOUBLE": "number", "BIGINT": "integer", "BOOLEAN": "boolean"}


def transport(con):
    over_arrow.clear()
    omopsql.register(con)
    return "arrow" if over_arrow else "native"


def answers(con):
    con.execute('''
        CREATE TABLE sweep AS
        SELECT
            i,
            CASE
                WHEN i % 11 = 0 THEN NULL
                WHEN i % 13 = 0 THEN 'nan'::DOUBLE
                WHEN i % 17 = 0 THEN 'inf'::DOUBLE
                WHEN i % 19 = 0 THEN '-inf'::DOUBLE
                WHEN i % 23 = 0 THEN -0.0::DOUBLE
                WHEN i % 2 = 0 THEN i / 6000.0
                ELSE (i % 5 - 2) * 10.0::DOUBLE ** (i % 600 - 300)
            END AS number,
            CASE WHEN i % 7 <> 0 THEN CAST(hash(i)::HUGEINT - 9223372036854775808 AS BIGINT) END AS integer,
            CASE WHEN i % 5 <> 0 THEN i % 3 = 0 END AS boolean
        FROM range(6000) AS r (i)''')
    return {function.name: answer(con, function) for function in registry.kernels()}


def answer(con, function):
    call = f"omopsql.{function.name}({', '.join(columns[parameter.type] for parameter in function.parameters)})"
    null = f"omopsql.{function.name}({', '.join('NULL' for _ in function.parameters)})"
    text = "string_agg(coalesce(y::VARCHAR, 'NULL'), ' ' ORDER BY i)"  # the shortest text that reads back the same
    swept = f"SELECT md5({text}), count(y), count(*) FROM (SELECT i, {call} AS y FROM sweep)"
    return [
        con.execute(swept).fetchall()[0],
        con.execute(f"SELECT {null}").fetchall(),
        con.execute(f"SELECT {call} FROM sweep WHERE false").fetchall(),
    ]


late = duckdb.connect()
report = {"early": transport(early), "late": transport(late)}
print(json.dumps({**report, "early answers": answers(early), "answers": answers(late)}))
"""


@pytest.fixture(scope="session")
def transports(python: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[[str], dict[str, Any]]:
    """Report how kernels reach DuckDB, and what each answers, in a process whose environment forces one way.

    ``early`` is a connection from before the import, ``late`` one from after it.
    """

    @cache
    def report(forced: str) -> dict[str, Any]:
        ran = python(_EVERY_KERNEL, **{omopsql.transport.VARIABLE: forced})
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return report
