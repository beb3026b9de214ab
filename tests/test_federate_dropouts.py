"""A site of a study that drops out: the others go on without it, and nobody opens a second sum by that way."""

import shutil
from pathlib import Path

import pytest
from commands import done, refused
from federation import CARDS, CENTRE, NORTH, UNMASK, digest, rewritten

from omopsql.federate import envelope
from omopsql.federate.study import PrivateSite, Study


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
