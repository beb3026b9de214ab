"""A demonstration on a simulated hospital: its raw extracts, a small vocabulary, and what omopsql makes of them.

``STEPS`` are the demonstration, in order; each writes one folder and says what it made. The hospital is simulated by
the files of ``sql/demo``, SQL that draws from a counter-based generator: no real person is in it, and the same number
of patients and seed give the same bytes on any machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import duckdb

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.harmonize.folders import completed_folder
from omopsql.harmonize.run import harmonize
from omopsql.quality.asked import Asked
from omopsql.quality.check_cdm import checked
from omopsql.quoting import identifier, literal
from omopsql.sql_files import sql_folder
from omopsql.synth.hospital.fit import fit
from omopsql.synth.hospital.write import synthesize

EXTRACTS = (
    "patients",
    "wards",
    "doctors",
    "admissions",
    "diagnoses",
    "procedures",
    "laboratory",
    "vital_signs",
    "prescriptions",
    "biomarkers",
    "mutations",
    "deaths",
)
_TRUTH = (  # what nobody at the hospital knows, and the extracts are drawn from; each reads those before it
    "_person",
    "_disease",
    "_illness",
    "_course",
    "_stay",
    "_marker",
    "_test",
    "_effect",
    "_treatment",
)
MARK = "demo.json"  # shows that a folder is a demonstration, and may be replaced by one
MOST_PATIENTS = 100_000
LEAST_LEARNED = 30


@dataclass(frozen=True)
class Demo:
    """One demonstration: where it is written, by which connection, and the hospital's size and seed."""

    con: duckdb.DuckDBPyConnection
    folder: Path
    patients: int
    seed: int
    progress: Callable[[str], None] = lambda doing: None

    @property
    def source(self) -> Path:
        """The hospital's extracts."""
        return self.folder / "source"

    @property
    def vocabulary(self) -> Path:
        """The vocabulary's files."""
        return self.folder / "vocabulary"

    @property
    def cdm(self) -> Path:
        """The CDM."""
        return self.folder / "cdm"


@dataclass(frozen=True)
class Made:
    """What a step made: in words, its folder's name, how many rows, and in how many seconds."""

    what: str
    folder: str
    rows: int
    seconds: float


@dataclass(frozen=True)
class Step:
    """A step of the demonstration. ``run`` writes ``folder`` and returns the rows that it wrote."""

    what: str
    folder: str
    run: Callable[[Demo], int]


def make(
    folder: str | Path,
    patients: int = 2000,
    seed: int = 1,
    con: duckdb.DuckDBPyConnection | None = None,
    progress: Callable[[str], None] = lambda doing: None,
) -> list[Made]:
    """Write the whole demonstration to ``folder`` and return what each step made.

    The folder appears complete or not at all. ``con``, an empty database in memory with every function, lets the
    caller interrupt the run; ``progress`` hears what is being made. Raises OmopsqlError when ``folder`` holds something
    that is no demonstration, or the number of patients is out of bounds.
    """
    with (
        nullcontext(con) if con is not None else closing(omopsql.connect()) as database,
        completed_folder(Path(folder), MARK, "demo of omopsql") as part,
    ):
        demo = Demo(database, part, patients, seed, progress)
        made = [_timed(step, demo, progress) for step in STEPS]
        told = {"omopsql": omopsql.__version__, "patients": patients, "seed": seed}
        (part / MARK).write_text(json.dumps(told) + "\n", encoding="utf-8")
        return made


def _timed(step: Step, demo: Demo, progress: Callable[[str], None]) -> Made:
    progress(f"Making {step.what}")
    begun = time.monotonic()
    rows = step.run(demo)
    return Made(step.what, step.folder, rows, time.monotonic() - begun)


def simulate(con: duckdb.DuckDBPyConnection, folder: str | Path, patients: int = 2000, seed: int = 1) -> dict[str, int]:
    """Simulate a hospital and write its extracts to ``folder`` as CSV; return the rows by extract.

    The same patients and seed give the same bytes. Nothing is left in the database of ``con``. Raises OmopsqlError
    when the number of patients is out of bounds.
    """
    if not 1 <= patients <= MOST_PATIENTS:
        raise OmopsqlError(f"a hospital of {patients} patients cannot be simulated; say 1 to {MOST_PATIENTS}")
    Path(folder).mkdir(parents=True, exist_ok=True)
    with closing(con.cursor()) as cursor:  # its temporary tables and variables go with it
        cursor.execute(f"SET VARIABLE patients = CAST({patients} AS BIGINT)")
        cursor.execute(f"SET VARIABLE seed = CAST({seed} AS BIGINT)")
        for name in (*_TRUTH, *EXTRACTS):
            cursor.execute(f"CREATE TEMP TABLE {identifier(name)} AS {_sql(name)}")
        return {name: _write(cursor, name, Path(folder)) for name in EXTRACTS}


def _write(cursor: duckdb.DuckDBPyConnection, extract: str, folder: Path) -> int:
    path = literal(str(folder / f"{extract}.csv"))
    return int(cursor.execute(f"COPY {identifier(extract)} TO {path} (FORMAT csv, HEADER)").fetchall()[0][0])


def _sql(name: str) -> str:
    return sql_folder("demo").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def _simulate(demo: Demo) -> int:
    return sum(simulate(demo.con, demo.source, demo.patients, demo.seed).values())


def _copy_vocabulary(demo: Demo) -> int:
    demo.vocabulary.mkdir()
    rows = 0
    for file in sorted(sql_folder("demo", "vocabulary").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".csv"):
            text = file.read_bytes()
            (demo.vocabulary / file.name).write_bytes(text)
            rows += text.count(b"\n") - 1
    return rows


def _harmonize(demo: Demo) -> int:
    source, vocabulary = str(demo.source), str(demo.vocabulary)
    done = harmonize("demo", source, vocabulary, demo.cdm, progress=demo.progress, con=demo.con)
    return sum(done.rows.values())


def _check(demo: Demo) -> int:
    quality = demo.folder / "quality"
    quality.mkdir()
    with demo.con.cursor() as cursor:
        checks = checked(cursor, Asked(str(demo.cdm), vocabulary=str(demo.vocabulary)))
        cursor.from_arrow(checks).write_parquet(str(quality / "checks.parquet"))
    return checks.num_rows


def _synthesize(demo: Demo) -> int:
    folder = demo.folder / "synthetic"
    folder.mkdir()
    if demo.patients < LEAST_LEARNED:
        return 0  # too few to learn from
    model = folder / "model.parquet"
    with demo.con.cursor() as cursor:
        learned, _ = fit(cursor, str(demo.cdm), vocabulary=str(demo.vocabulary))
        cursor.from_arrow(learned).write_parquet(str(model))
    return sum(synthesize(demo.con, str(model), folder / "cdm", demo.patients, demo.seed).rows.values())


STEPS = (
    Step("extracts of a simulated hospital", "source", _simulate),
    Step("a vocabulary of well-known concepts", "vocabulary", _copy_vocabulary),
    Step("the OMOP CDM of the hospital", "cdm", _harmonize),
    Step("OHDSI's checks of the CDM", "quality", _check),
    Step("a model of the CDM, and synthetic persons of it", "synthetic", _synthesize),
)
