"""Masked files: they add up to the very merge of the models, and show nothing before."""

import contextlib
import stat
from pathlib import Path

import duckdb
import numpy as np
import pytest
from commands import done, refused
from federation import (
    CARDS,
    MASKED,
    NORTH,
    SITES,
    TABLES,
    UNMASK,
    added_by_masks,
    dealt_cdm,
    dealt_table,
    digest,
    in_rounds,
    mask,
    renewed,
    words_of,
    write_study,
    write_sums,
)
from hospital_cdm import make_hospital, write_hospital
from scipy.stats import chisquare, ks_2samp

import omopsql
from omopsql.federate import acts
from omopsql.federate.study import PrivateSite, Study

# --- what comes out


def test_any_site_unmasks_what_merge_would_write_byte_for_byte(there):
    done("merge", *(f"{name}.parquet" for name in SITES), "--for-merge", "-o", "merged.parquet")
    for name in SITES:
        done("site", "unmask", "all.total", "--site", f"{name}.site", *CARDS, "-o", f"all_{name}.parquet")
        assert digest(f"all_{name}.parquet") == digest("merged.parquet")


def test_two_rounds_of_hospitals_equal_one_fit_of_all_persons(folder):
    with contextlib.closing(omopsql.connect()) as con:
        for position, name in enumerate(SITES):
            make_hospital(con, name, persons=60 + position, first=1 + 1000 * position)
            write_hospital(con, name, folder / name)
    cards = write_study(Path())
    found: dict[int, bytes] = {}
    for number, more in ((1, ["--margins-only"]), (2, ["--margins", "margins.parquet"])):
        for name in SITES:
            done("fit", name, "--for-merge", *more, "-o", f"{name}.parquet")
            mask(name, cards, "--room", "65536")
        done("aggregate", *MASKED, "--site", "south.site", "--cards", *cards, "-o", "all.total")
        to = "margins.parquet" if number == 1 else "all.parquet"
        done("site", "unmask", "all.total", "--site", "east.site", "--cards", *cards, "-o", to)
        kept = ["--for-merge"] if number == 1 else []
        done("merge", *(f"{name}.parquet" for name in SITES), *kept, "-o", "merged.parquet")
        found[number] = Path(to).read_bytes()
        assert found[number] == Path("merged.parquet").read_bytes()
    for table in Path(SITES[0]).glob("*.parquet"):
        many = [str(Path(name) / table.name) for name in SITES]
        Path("pooled").mkdir(exist_ok=True)
        duckdb.execute(f"COPY (SELECT DISTINCT * FROM read_parquet({many})) TO 'pooled/{table.name}'")
    done("fit", "pooled", "-o", "pooled.parquet")
    assert digest("pooled.parquet") == digest("all.parquet")


def test_rounds_of_other_hospitals_are_not_merged_though_what_is_released_of_them_agrees(folder):
    """One rare diagnosis more or less is in no released margin, and in the exact ones."""
    with contextlib.closing(omopsql.connect()) as con:
        for position, name in enumerate(SITES):
            make_hospital(con, name, persons=60, first=1 + 60 * position)
            write_hospital(con, name, folder / name)
        write_hospital(con, "south", folder / "other")
        con.execute("UPDATE south.condition_occurrence SET condition_concept_id = 77 WHERE condition_occurrence_id = "
                    "(SELECT min(condition_occurrence_id) FROM south.condition_occurrence)")  # fmt: skip
        con.execute("COPY south.condition_occurrence TO 'other/condition_occurrence.parquet'")
    for name in SITES:
        done("fit", name, "--for-merge", "--margins-only", "-o", f"{name}.parquet")
    done("merge", *(f"{name}.parquet" for name in SITES), "--for-merge", "-o", "margins.parquet")
    for name in (*SITES, "other"):
        done("fit", name, "--for-merge", "--margins", "margins.parquet", "-o", f"{name}.parquet")
    done("merge", *(f"{name}.parquet" for name in SITES), "-o", "merged.parquet")
    for files in (["east.parquet", "north.parquet", "other.parquet"], ["east.parquet", "north.parquet"]):
        assert refused(1, "merge", *files, "-o", "merged.parquet") == (
            "the sums were counted by margins of other sites than theirs: merge the files of the same sites in both "
            "rounds"
        )


def test_three_parts_of_a_real_cdm_equal_the_whole(folder, data_folder):
    source = data_folder("cdm/gibleed_5.3")
    found = in_rounds(dealt_cdm(source, folder), 2, added_by_masks(write_study(Path()), 600_000))
    done("fit", str(source), "-o", "model.parquet")
    assert digest(found) == digest("model.parquet")


@pytest.mark.parametrize("name", TABLES)
def test_three_parts_of_a_real_table_equal_the_whole(con, folder, data_folder, name):
    parts = dealt_table(con, f"FROM read_csv('{data_folder('tabular') / name}.csv')", folder)
    found = in_rounds(parts, 3, added_by_masks(write_study(Path()), 1 << 18))
    done("fit", "pooled.parquet", "--method", "copula", "-o", "model.parquet")
    assert digest(found) == digest("model.parquet")


def test_masking_again_writes_the_same_file(there):
    before = digest("north.masked")
    done("site", "mask", "north.parquet", *NORTH, "-o", "north.masked")
    assert digest("north.masked") == before


def test_the_last_round_stays_exact_when_asked(folder):
    cards = write_study(Path())
    for seed, name in enumerate(SITES):
        write_sums(Path(f"{name}.parquet"), seed, number=2)
        mask(name, cards)
    done("aggregate", *MASKED, "--site", "centre.site", "--cards", *cards, "-o", "all.total")
    models = [f"{name}.parquet" for name in SITES]
    for more in ([], ["--for-merge"]):
        done("site", "unmask", "all.total", "--site", "north.site", "--cards", *cards, *more, "-o", "all.parquet")
        done("merge", *models, *more, "-o", "merged.parquet")
        assert digest("all.parquet") == digest("merged.parquet")


# --- what is seen


def is_uniform(words: np.ndarray) -> bool:
    return chisquare(np.bincount(words.view(np.uint8), minlength=256)).pvalue > 1e-4


@pytest.mark.parametrize("file", [*MASKED, "all.total"])
def test_a_masked_file_and_the_total_are_uniform_noise(there, file):
    words = words_of(file)
    assert is_uniform(words)
    for bit in range(64):  # each bit is even, whatever the others are
        share = float((words >> np.uint64(bit) & np.uint64(1)).mean())
        assert abs(share - 0.5) < 4.5 * 0.5 / np.sqrt(len(words))


def test_the_test_of_noise_sees_what_is_not_masked(there, monkeypatch):
    monkeypatch.setattr(acts.masks, "mask", lambda *told: None)
    done("site", "mask", "north.parquet", *NORTH, "-o", "bare.masked")
    assert not is_uniform(words_of("bare.masked"))


def test_noise_does_not_tell_which_of_two_models_it_hides(folder):
    files = []
    for seed in (1, 2):
        renewed("north", "south")
        write_sums(Path("north.parquet"), seed, cells=5 if seed == 1 else 400)
        told = ["--site", "north.site", "--cards", "north.card", "south.card", "--room", "2048"]
        done("site", "mask", "north.parquet", *told, "-o", f"{seed}.masked")
        files.append(words_of(f"{seed}.masked"))
    assert len(files[0]) == len(files[1])
    assert ks_2samp(files[0].astype(float), files[1].astype(float)).pvalue > 1e-4
    assert not np.isin(files[0], files[1]).any()


def test_only_sites_take_the_cover_off(there):
    """Whoever adds up has all masked files and the total: sums of them stay noise, and every name is covered."""
    whole = sum((words_of(file) for file in MASKED), np.zeros(1, np.uint64))
    assert (whole == words_of("all.total")).all()
    assert is_uniform(whole)
    assert "is the private file of centre" in refused(
        1, "site", "unmask", "all.total", "--site", "centre.site", *CARDS, "-o", "all.parquet"
    )
    for file in (*MASKED, "all.total"):
        assert b"J18.9" not in Path(file).read_bytes()


def test_boxes_to_one_site_do_not_open_for_another(there):
    cards = Study.read([Path(f"{name}.card") for name in (*SITES, "centre")])
    north, east = (PrivateSite.read(Path(f"{name}.site")) for name in ("north", "east"))
    box = cards.seal(north, "south", "purpose", b"secret")
    south = PrivateSite.read(Path("south.site"))
    assert cards.unseal(south, "north", "purpose", box, Path("f")) == b"secret"
    for own, purpose in ((east, "purpose"), (south, "other")):
        with pytest.raises(omopsql.OmopsqlError, match="f holds a box from north that"):
            cards.unseal(own, "north", purpose, box, Path("f"))


def test_a_private_file_is_for_its_owner_alone(there):
    assert stat.S_IMODE(Path("north.site").stat().st_mode) == 0o600
    Path("north.site").chmod(0o644)
    assert refused(1, *UNMASK) == "north.site can be read by others on this machine: chmod 600 north.site"
