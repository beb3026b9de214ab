"""Releases in SQL: their files, and whether they are what their publisher signed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from omopsql.registry import routine
from omopsql.session import Caller

from . import manifest
from . import verify as verifying

_FILES = pa.schema(
    [
        ("path", pa.string()),
        ("bytes", pa.int64()),
        ("stated_sha256", pa.string()),
        ("found_sha256", pa.string()),
        ("verdict", pa.string()),
    ]
)
_FAULTS = pa.schema([("path", pa.string()), ("what", pa.string()), ("words", pa.string())])


@routine(
    family="publish",
    schema=_FILES,
    examples=("SELECT count(*) FROM omopsql.release_files('omopsql_demo/release') WHERE verdict <> 'ok' --> 0",),
)
def release_files(caller: Caller, release: str) -> pa.Table:
    """List the files of a release with the SHA-256 that its manifest states and the one that each has now.

    release is the folder that omopsql publish wrote. verdict is ok, changed, missing or added. This looks at bytes
    only; verify_release looks at the signature, the marks and the records too.
    """
    path = Path(release)
    listed = verifying.files(path, manifest.read(path))
    rows = [(one.path, one.bytes, one.stated, one.found, one.verdict) for one in listed]
    return _table(rows, _FILES)


@routine(
    family="publish",
    schema=_FAULTS,
    examples=("SELECT count(*) FROM omopsql.verify_release('omopsql_demo/release') --> 0",),
)
def verify_release(caller: Caller, release: str, key: str | None = None) -> pa.Table:
    """Tell what of a release is not as its publisher signed it: one row for each fault, none when all is well.

    Hashes, the signature, the marks in the data and the checksums in the records are computed again. key is the file of
    the publisher's public key; without it the signature is held against the key in the release, which does not tell who
    signed. what is changed, missing, added or wrong.
    """
    found = verifying.verify(Path(release), None if key is None else Path(key))
    return _table([(fault.path, fault.what, fault.words) for fault in found.faults], _FAULTS)


def _table(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(column, f.type) for column, f in zip(columns, schema, strict=True)], schema=schema)
