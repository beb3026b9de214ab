"""What every file of synthetic data says of itself: that it is synthetic, and by which model, seed and version.

The marks are key-value metadata of a Parquet file, so any reader finds them: ``FROM parquet_kv_metadata('x.parquet')``.
Article 50(2) of Regulation (EU) 2024/1689 (the AI Act) asks for such a mark in a machine-readable form.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.quoting import literal
from omopsql.synth import model as of_one_table
from omopsql.synth.digest import digest
from omopsql.synth.hospital import sums as of_hospital
from omopsql.synth.listed import read_table

from .facts import Generation
from .footer import Footer

PREFIX = "omopsql."
NOTICE = (
    "This file holds synthetic data, made by a computer program from a statistical model: no row describes a real "
    "person. Marked as artificially generated under Article 50(2) of Regulation (EU) 2024/1689 (AI Act)."
)
KIND = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"  # a code of the IPTC for such works
_NONE = "none"
_CHUNK = 8 << 20


def marks(generation: Generation) -> dict[str, str]:
    """Return the marks of data that were made so, by their keys."""
    told = {
        "synthetic": "true",
        "notice": NOTICE,
        "digital_source_type": KIND,
        "generator": "omopsql",
        "version": generation.omopsql,
        "method": generation.method,
        "model_sha256": generation.model_sha256,
        "seed": str(generation.seed),
        "learned": str(generation.learned),
        "min_cell": str(generation.min_cell),
        "epsilon": _NONE if generation.epsilon is None else repr(generation.epsilon),
        "delta": _NONE if generation.delta is None else repr(generation.delta),
        "policy_sha256": generation.policy_sha256 or _NONE,
    }
    return {PREFIX + name: value for name, value in told.items()}


def marks_sql(told: dict[str, str]) -> str:
    """Write the option of COPY … (FORMAT parquet) that gives a file its marks."""
    return "KV_METADATA {" + ", ".join(f"{literal(key)}: {literal(value)}" for key, value in told.items()) + "}"


def read_marks(path: Path) -> dict[str, str]:
    """Return the marks of a Parquet file, without those of others. Raises OmopsqlError when it cannot be read."""
    return {
        key.decode(): value.decode(errors="replace")
        for key, value in _metadata(path).items()
        if key.startswith(PREFIX.encode())
    }


def _metadata(path: Path) -> dict[bytes, bytes]:
    try:
        return dict(pq.read_metadata(path).metadata or {})
    except (pa.ArrowException, OSError) as error:
        raise OmopsqlError(f"{path} is no Parquet file that can be read: {error}") from error


def generation_of_marks(told: dict[str, str]) -> Generation | None:
    """Read back what ``marks`` wrote; None when that is not what they are."""
    found = {key.removeprefix(PREFIX): value for key, value in told.items()}
    try:
        return Generation(
            model_sha256=found["model_sha256"],
            method=found["method"],
            seed=int(found["seed"]),
            learned=int(found["learned"]),
            min_cell=int(found["min_cell"]),
            epsilon=_number(found["epsilon"]),
            delta=_number(found["delta"]),
            omopsql=found["version"],
            policy_sha256=None if found["policy_sha256"] == _NONE else found["policy_sha256"],
        )
    except (KeyError, ValueError):
        return None


def _number(text: str) -> float | None:
    return None if text == _NONE else float(text)


def generation_of_model(cursor: duckdb.DuckDBPyConnection, model: str, seed: int) -> Generation:
    """Say how data of a model, a table or its Parquet file, are made. Raises OmopsqlError when it is none."""
    table = read_table(cursor, model)
    if set(of_hospital.SCHEMA.names) <= set(table.column_names):
        return _of_hospital(table, model, seed)
    return _of_one_table(table, model, seed)


def _of_hospital(table: pa.Table, name: str, seed: int) -> Generation:
    sums = of_hospital.Sums.from_table(table, name)
    header = of_hospital.Header.of(sums, name)
    (label,) = sums.labels(of_hospital.HEADER)
    return _generation(table, "hospital", seed, header.persons, header.min_cell, label or "{}")


def _of_one_table(table: pa.Table, name: str, seed: int) -> Generation:
    read = of_one_table.Model.from_table(table, name)
    head = table["value"].to_pylist()[table["statistic"].to_pylist().index("model")]
    return _generation(table, read.method, seed, read.rows, read.min_cell, head)


def _generation(table: pa.Table, method: str, seed: int, learned: int, min_cell: int, head: str) -> Generation:
    """Put together what all models tell; noise and policy stand in the header of a model that has them."""
    about = json.loads(head)
    noise = about.get("noise", about)
    return Generation(
        model_sha256=digest(table),
        method=method,
        seed=seed,
        learned=learned,
        min_cell=min_cell,
        epsilon=noise.get("epsilon"),
        delta=noise.get("delta"),
        omopsql=omopsql.__version__,
        policy_sha256=about.get("policy"),
    )


@dataclass(frozen=True)
class Copied:
    """A file that was copied: its size and SHA-256 now, and the SHA-256 of what was read."""

    bytes: int
    sha256: str
    source_sha256: str


def copy_marked(source: Path, target: Path, told: dict[str, str]) -> Copied:
    """Copy a Parquet file with other marks, reading it once. Its pages stay byte for byte, and so does its order.

    A file that has these marks is copied as it is. Raises OmopsqlError when it is no Parquet file.
    """
    metadata, footer = _metadata(source), Footer.read(source)
    foreign = {key: value for key, value in metadata.items() if not key.startswith(PREFIX.encode())}
    wanted = foreign | {key.encode(): value.encode() for key, value in told.items()}
    with source.open("rb") as read, target.open("wb") as written:
        hashed = hashlib.sha256()
        left = footer.start
        while left:
            chunk = read.read(min(_CHUNK, left))
            if not chunk:
                raise OmopsqlError(f"{source} became shorter while it was read; publish it again when it is complete")
            hashed.update(chunk)
            written.write(chunk)
            left -= len(chunk)
        end = read.read()
        begun = hashed.copy()
        hashed.update(end)
        new_end = end if wanted == metadata else footer.with_metadata(wanted)
        begun.update(new_end)
        written.write(new_end)
    return Copied(footer.start + len(new_end), begun.hexdigest(), hashed.hexdigest())


def sha256_of(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
