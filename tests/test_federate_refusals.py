"""Files of a study that do not belong: changed, of other keys, rounds or studies, twice or missing. All are refused."""

import json
import re
import shutil
from pathlib import Path

import duckdb
import numpy as np
import pytest
from commands import done, refused
from federation import (
    ADD,
    CARDS,
    CENTRE,
    MASKED,
    NORTH,
    SITES,
    UNMASK,
    mask,
    renewed,
    rewritten,
    words_of,
    write_study,
    write_sums,
)

from omopsql.federate import acts, envelope
from omopsql.federate.study import PrivateSite


def changed(path: str, at: int) -> None:
    content = bytearray(Path(path).read_bytes())
    content[at] ^= 1
    Path(path).write_bytes(content)


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
