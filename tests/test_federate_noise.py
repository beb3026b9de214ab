"""Rounds with noise under masks: only their sum is seen, and it is the very merge of the sites' files."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from commands import done
from federation import MASKED, SITES, mask, write_study
from hospital_cdm import make_hospital, write_hospital

import omopsql

pytest.importorskip("opendp")

NOISE = ["--epsilon", "60", "--for-merge"]  # so little of it that something of so few persons is released
ROUND = [f"{name}.parquet" for name in SITES]


@pytest.fixture
def hospitals(folder: Path) -> list[str]:
    """Three hospitals of 100 persons, and the cards of a study."""
    with contextlib.closing(omopsql.connect()) as con:
        for position, name in enumerate(SITES):
            make_hospital(con, name, persons=100, first=1 + 1000 * position)
            write_hospital(con, name, folder / name)
    return write_study(Path())


def added(cards: list[str], to: str) -> bytes:
    """Add up the sites' files of a round under masks, and unmask the sum."""
    for name in SITES:
        mask(name, cards, "--room", "65536")
    done("aggregate", *MASKED, "--site", "centre.site", "--cards", *cards, "-o", "all.total")
    done("site", "unmask", "all.total", "--site", "north.site", "--cards", *cards, "-o", to)
    return Path(to).read_bytes()


def test_two_noisy_rounds_under_masks_equal_the_merge_of_the_noisy_files(hospitals):
    for name in SITES:
        done("fit", name, *NOISE, "--margins-only", "-o", f"{name}.parquet")
    margins = added(hospitals, "margins.parquet")
    done("merge", *ROUND, "--for-merge", "-o", "plain_margins.parquet")
    assert margins == Path("plain_margins.parquet").read_bytes()
    for name in SITES:
        done("fit", name, *NOISE, "--margins", "margins.parquet", "-o", f"{name}.parquet")
    added(hospitals, "sums.parquet")
    done("merge", "margins.parquet", "sums.parquet", "-o", "model.parquet")
    done("merge", "margins.parquet", *ROUND, "-o", "plain_model.parquet")
    assert Path("model.parquet").read_bytes() == Path("plain_model.parquet").read_bytes()
    with contextlib.closing(omopsql.connect()) as con:
        con.execute("CREATE TABLE m AS FROM 'model.parquet'")
        spent = con.execute("SELECT epsilon_so_far FROM omopsql.privacy_ledger('m')").fetchall()
        assert len(spent) > 10
        assert max(spent) <= (60.0,)
        persons = con.execute("FROM omopsql.cdm_sample('m', 'person', persons := 20, seed := 1)").fetchall()
        assert len(persons) == 20
