"""From rows to cells: labels are found alike, whether DuckDB looks them up or they are looked up beside it."""

import duckdb
import numpy as np
import pytest

from omopsql.relation import resolve
from omopsql.synth import encode as encoding
from omopsql.synth.columns import CATEGORY, Column
from omopsql.synth.counts import create_source
from omopsql.synth.margins import Margin

LABELS = ("b", "it's", "Ж")
TEXTS = ["b", None, "other", "Ж", "it's", "b", ""]


def _cells(con: duckdb.DuckDBPyConnection, has_rest: bool, has_missing: bool) -> list[int]:
    cursor = con.cursor()
    relation = resolve(cursor, "texts")
    create_source(cursor, relation)
    n = np.array([5, 3, 2, *([4] if has_rest else []), *([1] if has_missing else [])])
    margin = Margin(Column("v", "VARCHAR", CATEGORY), np.empty(0), np.empty(0), LABELS, has_rest, has_missing, n)
    cells: list[int] = encoding.encode(cursor, relation.columns, [margin], len(TEXTS))[0].tolist()
    return cells


@pytest.mark.parametrize("few", [0, 64])
@pytest.mark.parametrize(
    ("has_rest", "has_missing", "cells"),
    [
        (True, True, [0, 4, 3, 2, 1, 0, 3]),
        (True, False, [0, 0, 3, 2, 1, 0, 3]),
        (False, True, [0, 3, 0, 2, 1, 0, 0]),
        (False, False, [0, 0, 0, 2, 1, 0, 0]),
    ],
)
def test_labels_the_rest_and_the_missing_have_their_cells(
    con: duckdb.DuckDBPyConnection,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    has_rest: bool,
    has_missing: bool,
    cells: list[int],
) -> None:
    """What has no cell of its own counts with the commonest."""
    monkeypatch.setattr(encoding, "_FEW_LABELS", few)
    con.execute("CREATE TABLE texts (v VARCHAR)")
    con.executemany("INSERT INTO texts VALUES ($1)", [[text] for text in TEXTS])
    assert _cells(con, has_rest, has_missing) == cells
