"""The other ways of adding: by parties together (MPyC), and of encrypted words (TenSEAL). The sum is the same."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import done
from federation import LONG, SITES, TABLES, dealt_cdm, dealt_table, in_rounds, write_sums

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.federate import homomorphic, multiparty
from omopsql.federate.words import model_of, words_of

ROOM = 1024
PATIENCE = 900.0  # seconds of a sum on a busy machine


@pytest.fixture
def merged(folder: Path) -> bytes:
    """Three models, and the bytes of their merge."""
    for seed, name in enumerate(SITES):
        write_sums(Path(f"{name}.parquet"), seed, number=2)
    done("merge", *(f"{name}.parquet" for name in SITES), "-o", "merged.parquet")
    return Path("merged.parquet").read_bytes()


def written(table) -> bytes:
    with contextlib.closing(omopsql.connect()) as con:
        con.register("added", table)
        con.execute("COPY (FROM added) TO 'added.parquet'")
    return Path("added.parquet").read_bytes()


def all_words(room: int = ROOM) -> list[np.ndarray]:
    with contextlib.closing(omopsql.connect()) as con:
        return [words_of(con, f"{name}.parquet", room) for name in SITES]


def test_words_add_up_to_the_merge(merged):
    assert written(model_of(sum(all_words(), np.zeros(1, np.uint64)), ROOM)) == merged


def test_too_little_room_is_refused(merged):
    with contextlib.closing(omopsql.connect()) as con, pytest.raises(OmopsqlError, match="room is 10; say a room of"):
        words_of(con, "north.parquet", 10)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def computed_together(room: int, *more: str) -> set[bytes]:
    """Let three parties add up the sites' files in the working directory; the bytes that each is left with."""
    addresses = [part for port in free_ports(3) for part in ("-P", f"127.0.0.1:{port}")]
    parties = []
    try:
        for number, name in enumerate(SITES):
            told = [f"{name}.parquet", "--room", str(room), *more, "-o", f"{name}_all.parquet"]
            command = [sys.executable, "-m", "omopsql.federate.multiparty", *told, *addresses, "-I", str(number)]
            parties.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ))
        for party in parties:
            told = party.communicate(timeout=PATIENCE)[1]
            assert party.returncode == 0, told.decode()
    finally:
        for party in parties:
            party.kill()
            party.wait()
    return {Path(f"{name}_all.parquet").read_bytes() for name in SITES}


def added_by_parties(room: int) -> Callable[[int, bool], str]:
    """Add up by MPyC."""

    def add(number: int, is_exact: bool) -> str:
        (found,) = computed_together(room, *["--for-merge"] * is_exact)
        Path(f"all{number}.parquet").write_bytes(found)
        return f"all{number}.parquet"

    return add


def added_encrypted(room: int) -> Callable[[int, bool], str]:
    """Add up by TenSEAL."""

    def add(number: int, is_exact: bool) -> str:
        secret, public = homomorphic.new_keys()
        parts = (homomorphic.encrypted(words, public) for words in all_words(room))
        total = homomorphic.decrypted(homomorphic.add(list(parts), public), secret)
        Path(f"all{number}.parquet").write_bytes(written(model_of(total, room, is_exact)))
        return f"all{number}.parquet"

    return add


def test_three_parties_compute_the_merge_together(merged):
    pytest.importorskip("mpyc")
    assert computed_together(ROOM) == {merged}


@pytest.mark.parametrize(
    ("library", "adding", "name"),
    [
        ("mpyc", added_by_parties, TABLES[0]),
        *(pytest.param("mpyc", added_by_parties, name, marks=LONG) for name in TABLES[1:]),
        ("tenseal", added_encrypted, TABLES[0]),
    ],
)
def test_parts_of_a_real_table_equal_the_whole(con, folder, data_folder, library, adding, name):
    pytest.importorskip(library)
    parts = dealt_table(con, f"FROM read_csv('{data_folder('tabular') / name}.csv')", folder)
    found = in_rounds(parts, 3, adding(1 << 14 if name == TABLES[0] else 1 << 17))
    done("fit", "pooled.parquet", "--method", "copula", "-o", "model.parquet")
    assert Path(found).read_bytes() == Path("model.parquet").read_bytes()


@LONG
def test_parts_of_a_real_cdm_equal_the_whole(folder, data_folder):
    pytest.importorskip("mpyc")
    source = data_folder("cdm/gibleed_5.3")
    found = in_rounds(dealt_cdm(source, folder), 2, added_by_parties(600_000))
    done("fit", str(source), "-o", "model.parquet")
    assert Path(found).read_bytes() == Path("model.parquet").read_bytes()


def test_encrypted_sums_are_exact_after_rounding(merged):
    pytest.importorskip("tenseal")
    secret, public = homomorphic.new_keys()
    parts = [homomorphic.encrypted(words, public) for words in all_words()]
    total = homomorphic.add(parts, public)
    assert written(model_of(homomorphic.decrypted(total, secret), ROOM)) == merged


def test_who_adds_cannot_decrypt():
    pytest.importorskip("tenseal")
    _, public = homomorphic.new_keys()
    part = homomorphic.encrypted(np.arange(10, dtype=np.uint64), public)
    with pytest.raises(ValueError, match="secret"):
        homomorphic.decrypted(part, public)


def test_the_largest_words_are_exact_when_encrypted():
    pytest.importorskip("tenseal")
    secret, public = homomorphic.new_keys()
    words = np.array([0, 1, 2**16 - 1, 2**63, 2**64 - 1] * 1000, np.uint64)
    total = homomorphic.add([homomorphic.encrypted(words, public)] * 3, public)
    assert (homomorphic.decrypted(total, secret) == words * np.uint64(3)).all()


def test_encrypted_sums_of_differing_length_are_refused():
    pytest.importorskip("tenseal")
    _, public = homomorphic.new_keys()
    parts = [homomorphic.encrypted(np.zeros(rows, np.uint64), public) for rows in (10, 5000)]
    with pytest.raises(OmopsqlError, match="encrypted sums are of differing length"):
        homomorphic.add(parts, public)


@pytest.mark.parametrize(
    ("needs", "extra"), [(multiparty.require_mpyc, "multiparty"), (homomorphic.new_keys, "homomorphic")]
)
def test_without_the_library_one_line_says_what_to_install(monkeypatch, needs, extra):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OmopsqlError, match=rf"pip install 'omopsql\[{extra}\]'"):
        needs()
