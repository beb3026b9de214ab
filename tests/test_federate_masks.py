"""Masked files: they add up to the very merge of the models, show nothing, and are refused when they do not belong."""

import contextlib
import hashlib
import json
import re
import shutil
import stat
from pathlib import Path

import duckdb
import numpy as np
import pytest
from commands import done, refused
from federation import SITES, TABLES, added_by_masks, dealt_cdm, dealt_table, in_rounds, mask, write_study, write_sums
from hospital_cdm import make_hospital, write_hospital
from scipy.stats import chisquare, ks_2samp

import omopsql
from omopsql.federate import acts, envelope
from omopsql.federate.study import PrivateSite, Study

MASKED = [f"{name}.masked" for name in SITES]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything of a study of three sites up to the total, and the share files."""
    place = tmp_path_factory.mktemp("study")
    cards = write_study(place)
    for seed, name in enumerate(SITES):
        write_sums(place / f"{name}.parquet", seed)
        mask(name, cards, folder=place)
        own = str(place / f"{name}.site")
        done("site", "share", "--site", own, "--cards", *cards, "-o", str(place / f"{name}.share"))
    masked = [str(place / name) for name in MASKED]
    centre = str(place / "centre.site")
    done("aggregate", *masked, "--site", centre, "--cards", *cards, "-o", str(place / "all.total"))
    return place


@pytest.fixture
def there(study: Path, folder: Path) -> Path:
    """A copy of the study as the working directory."""
    shutil.copytree(study, folder, dirs_exist_ok=True)
    return folder


CARDS = ["--cards", *(f"{name}.card" for name in (*SITES, "centre"))]
CENTRE = ["--site", "centre.site", *CARDS]
ADD = ["aggregate", *MASKED, *CENTRE, "-o", "new.total"]
NORTH = ["--site", "north.site", *CARDS]
UNMASK = ["site", "unmask", "all.total", *NORTH, "-o", "all.parquet"]


def digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def changed(path: str, at: int) -> None:
    content = bytearray(Path(path).read_bytes())
    content[at] ^= 1
    Path(path).write_bytes(content)


def renewed(*names: str, study: str = "lungs") -> None:
    """Make sites anew, with other keys."""
    for name in names:
        Path(f"{name}.site").unlink(missing_ok=True)
        Path(f"{name}.card").unlink(missing_ok=True)
        done("site", "init", "--name", name, "--study", study, "-o", f"{name}.site")


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


def words_of(path: str) -> np.ndarray:
    kind = Path(path).read_bytes().split(b"\n", 1)[0].decode().split()[1]
    return np.frombuffer(envelope.read(Path(path), kind).body, "<u8")


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


# --- a site that drops out


def without_south(*files: str) -> None:
    done("aggregate", "east.masked", "north.masked", *CENTRE, "--without", "south", "-o", "all.total")
    for name in files:
        told = ["--site", f"{name}.site", *CARDS, "-o", f"{name}.recovered"]
        done("site", "recover", "all.total", "south.share", *told)


def test_the_others_go_on_without_a_site(there):
    without_south("east", "north")
    done(*UNMASK[:3], "east.recovered", "north.recovered", *UNMASK[3:])
    done("merge", "east.parquet", "north.parquet", "--for-merge", "-o", "merged.parquet")
    assert digest("all.parquet") == digest("merged.parquet")


def test_too_few_sites_cannot_go_on(there):
    without_south("east")
    expected = "south dropped out, and 1 of the 2 sites needed have recovered it: ask others for theirs"
    assert expected in refused(1, *UNMASK[:3], "east.recovered", *UNMASK[3:])
    assert "south dropped out, and 0 of the" in refused(1, *UNMASK)


def test_a_site_opens_one_sum_a_round(there):
    done(*UNMASK)
    shutil.copy("all.total", "first.total")
    without_south("east")
    told = refused(1, "site", "recover", "all.total", "south.share", *NORTH, "-o", "north.recovered")
    assert told.startswith("north has opened another sum of round 1 than that of east, north; the two would show")


def test_nothing_is_recovered_of_a_whole_sum(there):
    told = refused(1, "site", "recover", "all.total", "south.share", *NORTH, "-o", "north.recovered")
    assert told == "all.total lacks no site: there is nothing to recover"


def test_without_share_files_nobody_drops_out(there):
    done("aggregate", "east.masked", "north.masked", *CENTRE, "--without", "south", "-o", "all.total")
    told = refused(1, "site", "recover", "all.total", *NORTH, "-o", "north.recovered")
    assert told == "the share file of south is missing: give the one that it sent before it dropped out"


@pytest.mark.parametrize("threshold", ["0", "3"])
def test_a_threshold_fits_the_number_of_other_sites(there, threshold):
    told = refused(1 if threshold == "3" else 2, "site", "share", *NORTH, "--threshold", threshold, "-o", "n.share")
    assert threshold in told


# --- what is refused


def test_a_changed_body_is_refused(there):
    changed("north.masked", -1)
    assert refused(1, *ADD) == "north.masked was changed or cut off on its way: ask for it again"


def test_a_cut_file_is_refused(there):
    content = Path("north.masked").read_bytes()
    Path("north.masked").write_bytes(content[:-8])
    assert refused(1, *ADD) == "north.masked was changed or cut off on its way: ask for it again"


@pytest.mark.parametrize("field", ["round", "about"])
def test_a_changed_head_is_refused(there, field):
    first, told, mark, body = Path("north.masked").read_bytes().split(b"\n", 3)
    says = json.loads(told)
    says[field] = 2 if field == "round" else says[field].replace("5.3", "5.4")
    Path("north.masked").write_bytes(b"\n".join([first, json.dumps(says, sort_keys=True).encode(), mark, body]))
    assert refused(1, *ADD).startswith("north.masked is not signed by north: it was changed, or made with keys that")


def test_a_changed_card_is_refused(there):
    content = Path("north.card").read_bytes()
    Path("north.card").write_bytes(content.replace(b'"north"', b'"nurth"'))
    assert refused(1, *ADD) == "north.card was changed after it was made: ask its site for it again"


def test_a_changed_total_is_refused(there):
    changed("all.total", -1)
    assert refused(1, *UNMASK) == "all.total was changed or cut off on its way: ask for it again"


def test_a_total_that_names_a_part_that_nobody_signed_is_refused(there):
    found = envelope.read(Path("all.total"), "total")
    parts = [dict(part) for part in found.says["parts"]]
    parts[0]["says"] = parts[0]["says"].replace('"round": 1', '"round": 1 ')
    centre = PrivateSite.read(Path("centre.site"))
    envelope.write(Path("all.total"), "total", found.says | {"parts": parts}, centre.signing_key, found.body)
    assert "names a part of east that east did not sign" in refused(1, *UNMASK)
    envelope.write(Path("all.total"), "total", found.says | {"parts": parts[1:]}, centre.signing_key, found.body)
    assert "all.total does not hold all sites of study 'lungs'" in refused(1, *UNMASK)


def test_a_file_of_earlier_cards_is_refused(there):
    renewed("south")
    told = refused(1, *ADD)
    assert told.startswith("east.masked was made with other cards of study 'lungs', and is not counted again")


def test_a_file_of_another_study_is_refused(there):
    Path("other").mkdir()
    write_study(Path("other"), study="hearts")
    shutil.copy("north.parquet", "other")
    mask("north", [f"other/{name}.card" for name in SITES], folder=Path("other"))
    shutil.copy("other/north.masked", "north.masked")
    assert refused(1, *ADD) == "north.masked is of study 'hearts', not of 'lungs'"


def test_a_file_of_a_site_without_a_card_is_refused(there):
    cards = ["--cards", "east.card", "north.card", "centre.card"]
    told = refused(1, "aggregate", *MASKED, "--site", "centre.site", *cards, "-o", "new.total")
    assert "east.masked was made with other cards" in told
    told = refused(1, "aggregate", "south.masked", "--site", "centre.site", *cards, "-o", "new.total")
    assert told == "south.masked is of south, who has no card here; the cards are of centre, east, north"


def test_a_site_that_is_given_twice_is_refused(there):
    shutil.copy("north.masked", "again.masked")
    told = refused(1, "aggregate", *MASKED, "again.masked", *CENTRE, "-o", "new.total")
    assert told == "north.masked and again.masked are both of north, which would count twice: give each once"


def test_a_missing_site_is_refused(there):
    told = refused(1, "aggregate", "east.masked", "south.masked", *CENTRE, "-o", "new.total")
    assert told.startswith("the masked file of north is missing, and a sum without it is noise")
    assert not Path("new.total").exists()


def test_leaving_out_a_site_that_is_there_or_unknown_is_refused(there):
    assert refused(1, *ADD, "--without", "west") == (
        "west is no site of study 'lungs'; its sites are east, north, south"
    )
    assert refused(1, *ADD, "--without", "north") == (
        "north.masked is of north, which --without north leaves out: leave out one of both"
    )


def test_one_site_is_no_sum(there):
    told = refused(
        1, "aggregate", "north.masked", *CENTRE, "--without", "east", "--without", "south", "-o", "new.total"
    )
    assert "two or more are left" in told


def test_rounds_do_not_mix(there):
    write_sums(Path("north.parquet"), 5, number=2)
    mask("north", CARDS[1:])
    assert refused(1, *ADD) == "north.masked is of round 2, and east.masked of round 1: add files of one round"


def test_tables_of_differing_room_do_not_mix(there):
    mask("north", CARDS[1:], "--room", "4096")
    told = refused(1, *ADD)
    room = re.search(r"east.masked for ([\d,]+)", told)[1]
    assert told == (
        f"north.masked has room for 4,096 statistics, east.masked for {room}: mask east.masked again with --room 4096"
    )


def test_models_that_were_fitted_differently_do_not_mix(folder):
    cards = write_study(Path())
    for seed, name in enumerate(SITES):
        write_sums(Path(f"{name}.parquet"), seed, min_cell=5 if name == "south" else 10)
        mask(name, cards)
    assert refused(1, *ADD) == (
        "south.masked and east.masked were fitted differently (min_cell 5 and min_cell 10): fit all alike, by the same "
        "margins"
    )


def test_a_round_is_masked_once(there):
    write_sums(Path("north.parquet"), 7)
    told = refused(1, "site", "mask", "north.parquet", *NORTH, "-o", "north.masked")
    assert told.startswith("north has masked other numbers in round 1 of study 'lungs' already")


def test_a_model_without_exact_sums_is_refused(there):
    done("merge", *(f"{name}.parquet" for name in SITES), "--for-merge", "-o", "merged.parquet")
    duckdb.execute("COPY (SELECT 1 AS n) TO 'other.parquet'")
    write_sums(Path("open.parquet"), 1, private=False)
    for model, told in (
        ("other.parquet", "other.parquet is no model that can be added: fit it with --for-merge"),
        ("open.parquet", "open.parquet is a model whose small cells are suppressed already: fit it with --for-merge"),
    ):
        assert refused(1, "site", "mask", model, *NORTH, "-o", "x.masked") == told


def test_a_private_file_of_other_keys_is_refused(there):
    shutil.copy("north.card", "old.card")
    renewed("north")
    told = refused(1, "site", "mask", "north.parquet", "--site", "north.site", "--cards", "old.card", "east.card",
                   "-o", "x.masked")  # fmt: skip
    assert told == "north.site and old.card do not belong together: north was made anew; use the newer files"
    assert refused(1, "site", "mask", "north.parquet", *NORTH[:3], "old.card", *NORTH[3:], "-o", "x.masked") == (
        "old.card and north.card are two cards of north; keep the newer one"
    )


def test_files_of_the_wrong_kind_are_refused(there):
    assert refused(1, "aggregate", "north.share", *CENTRE, "-o", "new.total") == (
        "north.share is a file of kind 'share'; give a file of kind 'masked' here"
    )
    assert refused(1, "aggregate", "north.parquet", *CENTRE, "-o", "new.total") == (
        "north.parquet is no file that omopsql site wrote; give a file of kind 'masked' here"
    )
    assert refused(1, *UNMASK[:4], "north.card", *UNMASK[5:]) == (
        "north.card is no private file of a site: make one with omopsql site init"
    )


def test_cards_of_two_studies_or_of_one_site_are_refused(there):
    renewed("west", study="hearts")
    told = refused(1, *ADD, "--cards", "west.card")
    assert "give the cards of one study" in told
    assert refused(1, "site", "share", "--site", "north.site", "--cards", "north.card", "-o", "n.share") == (
        "1 cards of sites are too few: give those of all sites of the study"
    )


def rewritten(path: str, kind: str, signer: str, body: bytes | None = None, **says: object) -> None:
    """Change what a file says, and let a site sign it."""
    found = envelope.read(Path(path), kind)
    told = PrivateSite.read(Path(f"{signer}.site"))
    envelope.write(Path(path), kind, found.says | says, told.signing_key, found.body if body is None else body)


def test_a_file_in_the_name_of_another_site_is_refused(there):
    shutil.copy("south.masked", "north.masked")
    rewritten("north.masked", "masked", "south", site="north")
    assert refused(1, *ADD).startswith("north.masked is not signed by north: it was changed, or made with keys that")


def test_a_masked_file_of_another_length_than_it_says_is_refused(there):
    rewritten("north.masked", "masked", "north", body=bytes(8))
    assert refused(1, *ADD) == ("north.masked is not of a site, or not as long as it says: ask north to mask again")


def test_a_masked_file_of_one_without_data_is_refused(there):
    shutil.copy("north.masked", "centre.masked")
    rewritten("centre.masked", "masked", "centre", site="centre")
    told = refused(1, "aggregate", *MASKED, "centre.masked", *CENTRE, "-o", "new.total")
    assert told == "centre.masked is not of a site, or not as long as it says: ask centre to mask again"
    told = refused(1, "site", "mask", "north.parquet", *CENTRE, "-o", "x.masked")
    assert told.startswith("centre.site is the private file of centre in study 'lungs', and there is no card of it")


def test_a_total_that_somebody_else_signed_is_refused(there):
    rewritten("all.total", "total", "south")
    assert refused(1, *UNMASK).startswith("all.total is not signed by centre: it was changed, or made with keys that")


def test_a_total_of_earlier_cards_is_refused(there):
    renewed("south")
    assert refused(1, *UNMASK).startswith("all.total was made with other cards of study 'lungs', and is not counted")


def test_a_total_that_says_another_round_or_room_is_refused(there):
    for says in ({"round": 2}, {"room": 4096}, {"about": "{}"}):
        shutil.copy("all.total", "kept.total")
        rewritten("all.total", "total", "centre", **says)
        assert "names a part of east that east did not sign" in refused(1, *UNMASK)
        shutil.copy("kept.total", "all.total")


def test_a_total_that_was_added_up_wrongly_cannot_be_read(there):
    """Who adds up leaves a site out, or changes a word: nothing sensible comes out, and nothing that looks so."""
    found = envelope.read(Path("all.total"), "total")
    lacking = np.frombuffer(found.body, "<u8") - words_of("south.masked")
    other = np.frombuffer(found.body, "<u8") + (np.arange(len(lacking)) == 7).astype(np.uint64)
    for words in (lacking, other):
        rewritten("all.total", "total", "centre", body=words.tobytes())
        assert "all.total cannot be read" in refused(1, *UNMASK)


def test_files_of_an_earlier_round_are_no_second_one(there):
    """The whole first round, replayed, is the first round: nothing of it passes for the next."""
    for seed, name in enumerate(SITES):
        write_sums(Path(f"{name}.parquet"), seed, number=2)
    mask("east", CARDS[1:])
    told = refused(1, *ADD)
    assert told.startswith("north.masked is of round 1, and east.masked of round 2: add files of one round")


def test_a_site_with_more_statistics_than_room_is_refused(there):
    write_sums(Path("north.parquet"), 1, cells=1100)
    told = refused(1, "site", "mask", "north.parquet", *NORTH, "--room", "1024", "-o", "north.masked")
    assert re.fullmatch(r"north.parquet has 1,1\d\d statistics, and room is 1,024; say --room 2048", told)


def test_room_that_is_too_little_for_all_sites_together_is_refused(folder):
    cards = write_study(Path())
    for seed, name in enumerate(SITES):
        write_sums(Path(f"{name}.parquet"), seed, cells=1000)
        mask(name, cards, "--room", "1024")
    done("aggregate", *MASKED, "--site", "centre.site", "--cards", *cards, "-o", "all.total")
    told = refused(1, "site", "unmask", "all.total", "--site", "north.site", "--cards", *cards, "-o", "all.parquet")
    assert told.startswith("all.total cannot be read: room for 1,024 statistics is too little for all sites together")
    assert told.endswith("mask with --room 2048")


def test_more_sites_than_a_table_can_count_are_refused(there, monkeypatch):
    monkeypatch.setattr(acts, "MOST_SITES", 2)
    told = refused(1, "site", "mask", "north.parquet", *NORTH, "-o", "north.masked")
    assert told == "3 sites are too many: a study has at most 2"


def test_share_files_that_were_changed_foreign_or_given_twice_are_refused(there):
    done("aggregate", "east.masked", "north.masked", *CENTRE, "--without", "south", "-o", "all.total")
    recover = ["site", "recover", "all.total"]
    asked = [*NORTH, "-o", "north.recovered"]
    shutil.copy("south.share", "again.share")
    told = refused(1, *recover, "south.share", "again.share", *asked)
    assert told == "south.share and again.share are both of south: give each once"
    assert refused(1, *recover, "east.share", *asked).startswith("the share file of south is missing")
    rewritten("again.share", "share", "south", boxes=envelope.read(Path("east.share"), "share").says["boxes"])
    assert refused(1, *recover, "again.share", *asked).startswith(
        "again.share holds a box from south that north cannot"
    )
    rewritten("again.share", "share", "east")
    assert refused(1, *recover, "again.share", *asked).startswith("again.share is not signed by south: it was changed")


def test_recovered_files_that_were_changed_foreign_or_given_twice_are_refused(there):
    without_south("east", "north")
    unmask = [*UNMASK[:3], "east.recovered"]
    shutil.copy("north.recovered", "kept.recovered")
    told = refused(1, *unmask, "north.recovered", "kept.recovered", *UNMASK[3:])
    assert told == "north.recovered and kept.recovered are both of north: give each once"
    rewritten("north.recovered", "recovered", "north", round=2)
    assert "1 of the 2 sites needed have recovered it" in refused(1, *unmask, "north.recovered", *UNMASK[3:])
    rewritten("kept.recovered", "recovered", "east")
    told = refused(1, *unmask, "kept.recovered", *UNMASK[3:])
    assert told.startswith("kept.recovered is not signed by north: it was changed, or made with keys that are no more")


def test_shares_that_do_not_belong_together_are_refused(there):
    without_south("east", "north")
    north, cards = PrivateSite.read(Path("north.site")), Study.read([Path(card) for card in CARDS[1:]])
    boxes = envelope.read(Path("north.recovered"), "recovered").says["boxes"]
    boxes["south"] = {
        to: cards.seal(north, to, "recovered/share/round 1/of 2/south", bytes(33)) for to in boxes["south"]
    }
    rewritten("north.recovered", "recovered", "north", boxes=boxes)
    told = refused(1, *UNMASK[:3], "east.recovered", "north.recovered", *UNMASK[3:])
    assert told == "the shares of south do not belong together: ask for the recovered files again"


def test_a_private_file_is_never_overwritten_and_found_when_it_is_the_only_one(there):
    assert "is there already" in refused(2, "site", "init", "--name", "x", "--study", "s", "-o", "north.site")
    assert "there are 4 of them here" in refused(2, "site", "share", *CARDS, "-o", "north.share")
    for name in ("east", "south", "centre"):
        Path(f"{name}.site").unlink()
    done("site", "share", *CARDS, "-o", "north.share")


def test_names_are_plain(folder):
    told = refused(1, "site", "init", "--name", "a/b", "--study", "s", "-o", "x.site")
    assert told == "a site cannot be called 'a/b': use letters, digits, spaces and . _ -"


def test_without_the_library_one_line_says_what_to_install(folder, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    told = refused(1, "site", "init", "--name", "n", "--study", "s", "-o", "n.site")
    assert told == "federation needs the library cryptography: pip install 'omopsql[secure]'"
