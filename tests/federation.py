"""Sites of a study as tests make them: exact sums of a few statistics, keys, and files that are carried."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import done

from omopsql.federate import envelope
from omopsql.federate.study import PrivateSite
from omopsql.synth.hospital.sums import Header, Sums

LONG = pytest.mark.skipif(not os.environ.get("OMOPSQL_TEST_LONG"), reason="takes minutes; OMOPSQL_TEST_LONG=1 runs it")
SITES = ("east", "north", "south")
MASKED = [f"{name}.masked" for name in SITES]
TABLES = ("heart_failure_clinical_records_dataset", "wdbc", "sdnist_ma2018")  # of the test data


def write_sums(
    path: Path, seed: int, *, cells: int = 40, number: int = 1, min_cell: int = 10, private: bool = True
) -> None:
    """Write exact sums of a first round: items, some of which other seeds have too, and a code."""
    random = np.random.default_rng(seed)
    found = Sums()
    concepts = random.choice(np.arange(1000, 1000 + 2 * cells), cells, replace=False)
    found.put("items", np.column_stack([concepts % 3, concepts]), random.integers(0, 50, cells))
    found.put("attributes.code", np.array([[1, 2], [1, 3 + seed]]), [12, 3], pa.array(["J18.9", f"Ä{seed}"]))
    header = Header(100 + seed, "5.3", min_cell, private=private, round=number)
    pq.write_table(Sums.merged([found, header.sums()]).to_table(), path)


def write_study(folder: Path, names: tuple[str, ...] = SITES, study: str = "lungs") -> list[str]:
    """Make the private files and cards of sites, and of an aggregator; return the names of the cards."""
    for name in names:
        done("site", "init", "--name", name, "--study", study, "-o", str(folder / f"{name}.site"))
    centre = ("--name", "centre", "--study", study, "--aggregator", "-o", str(folder / "centre.site"))
    done("site", "init", *centre)
    return [str(folder / f"{name}.card") for name in (*names, "centre")]


def mask(name: str, cards: list[str], *more: str, folder: Path = Path()) -> None:
    """Mask the model of a site."""
    model, own, to = (str(folder / f"{name}.{suffix}") for suffix in ("parquet", "site", "masked"))
    done("site", "mask", model, "--site", own, "--cards", *cards, "-o", to, *more)


def dealt_table(con: duckdb.DuckDBPyConnection, rows: str, folder: Path) -> dict[str, Path]:
    """Deal the rows of a query out to sites, a folder with a file each; all of them are in pooled.parquet."""
    con.execute(f"COPY (SELECT row_number() OVER () AS omopsql_row, * FROM ({rows})) TO '{folder}/numbered.parquet'")
    bare = f"SELECT * EXCLUDE omopsql_row FROM '{folder}/numbered.parquet'"
    con.execute(f"COPY ({bare}) TO '{folder}/pooled.parquet'")
    for part, name in enumerate(SITES):
        (folder / f"{name}_part").mkdir()
        mine = f"{bare} WHERE omopsql_row % {len(SITES)} = {part}"
        con.execute(f"COPY ({mine}) TO '{folder}/{name}_part/data.parquet'")
    return {name: folder / f"{name}_part" for name in SITES}


def dealt_cdm(source: Path, folder: Path) -> dict[str, Path]:
    """Deal the persons of a CDM out to sites, a folder of Parquet files each."""
    parts = {name: folder / f"{name}_part" for name in SITES}
    with duckdb.connect() as con:
        for part, place in enumerate(parts.values()):
            place.mkdir()
            for table in source.glob("*.parquet"):
                columns = [row[0] for row in con.execute(f"DESCRIBE FROM '{table}'").fetchall()]
                mine = f"WHERE person_id % {len(SITES)} = {part}" if "person_id" in columns else ""
                con.execute(f"COPY (FROM '{table}' {mine}) TO '{place / table.name}'")
    return parts


def in_rounds(parts: dict[str, Path], rounds: int, add: Callable[[int, bool], str]) -> str:
    """Fit each part in rounds; ``add`` adds up the sites' files of a round, exact when told, and names the sum."""
    more = ["--margins-only"]
    for number in range(1, rounds + 1):
        for name, part in parts.items():
            done("fit", str(part), "--for-merge", *more, "-o", f"{name}.parquet")
        added = add(number, number < rounds)
        more = ["--margins", added]
    return added


def added_by_masks(cards: list[str], room: int) -> Callable[[int, bool], str]:
    """Add up by masked files in the working directory."""

    def add(number: int, is_exact: bool) -> str:
        for name in SITES:
            mask(name, cards, "--room", str(room))
        masked = [f"{name}.masked" for name in SITES]
        done("aggregate", *masked, "--site", "centre.site", "--cards", *cards, "-o", "all.total")
        done("site", "unmask", "all.total", "--site", "east.site", "--cards", *cards, "-o", f"all{number}.parquet")
        return f"all{number}.parquet"

    return add


# A study of all sites up to the total, as ``write_masked_study`` leaves it in a folder, and commands that go on there.

CARDS = ["--cards", *(f"{name}.card" for name in (*SITES, "centre"))]
CENTRE = ["--site", "centre.site", *CARDS]
NORTH = ["--site", "north.site", *CARDS]
ADD = ["aggregate", *MASKED, *CENTRE, "-o", "new.total"]
UNMASK = ["site", "unmask", "all.total", *NORTH, "-o", "all.parquet"]


def write_masked_study(folder: Path) -> None:
    """Write everything of a study up to the total: sums, private files, cards, masked files and share files."""
    cards = write_study(folder)
    for seed, name in enumerate(SITES):
        write_sums(folder / f"{name}.parquet", seed)
        mask(name, cards, folder=folder)
        own = str(folder / f"{name}.site")
        done("site", "share", "--site", own, "--cards", *cards, "-o", str(folder / f"{name}.share"))
    masked = [str(folder / name) for name in MASKED]
    centre = str(folder / "centre.site")
    done("aggregate", *masked, "--site", centre, "--cards", *cards, "-o", str(folder / "all.total"))


def renewed(*names: str, study: str = "lungs") -> None:
    """Make sites anew, with other keys."""
    for name in names:
        Path(f"{name}.site").unlink(missing_ok=True)
        Path(f"{name}.card").unlink(missing_ok=True)
        done("site", "init", "--name", name, "--study", study, "-o", f"{name}.site")


def rewritten(path: str, kind: str, signer: str, body: bytes | None = None, **says: object) -> None:
    """Change what a file says, and let a site sign it."""
    found = envelope.read(Path(path), kind)
    told = PrivateSite.read(Path(f"{signer}.site"))
    envelope.write(Path(path), kind, found.says | says, told.signing_key, found.body if body is None else body)


def words_of(path: str) -> np.ndarray:
    """The words of a masked file or a total."""
    kind = Path(path).read_bytes().split(b"\n", 1)[0].decode().split()[1]
    return np.frombuffer(envelope.read(Path(path), kind).body, "<u8")


def digest(path: str | Path) -> str:
    """The hash of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
