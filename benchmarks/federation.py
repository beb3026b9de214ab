"""What masking costs a site: CPU seconds of each act, for so many statistics and sites.

python -m benchmarks.federation --statistics 1000000 --sites 3
python -m benchmarks.federation --statistics 10000 --ways    # also by MPyC and TenSEAL
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import omopsql
from omopsql.federate import acts, homomorphic
from omopsql.federate.study import PrivateSite, Study
from omopsql.federate.words import words_of
from omopsql.synth.hospital.sums import Header, Sums


def exact_sums(statistics: int, seed: int) -> Sums:
    """As many cells of ten statistics as asked, of four numbers each; nine of ten are those of other seeds too."""
    random = np.random.default_rng(seed)
    found = Sums()
    for number in range(10):
        shared = np.arange(statistics // 10) % (statistics * 9 // 100)
        own = np.where(np.arange(len(shared)) < len(shared) * 9 // 10, 0, seed + 1)
        keys = np.column_stack([shared % 7, 40_000_000 + shared, shared % 365, own])
        found.put(f"measured.{number}", keys, random.integers(0, 1000, len(keys)))
    header = Header(1000, "5.3", 10, private=True, round=1)
    return Sums.merged([found, header.sums()])


@contextlib.contextmanager
def told(what: str, site: str = "") -> Iterator[None]:
    """Print the CPU seconds and the seconds of a step."""
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    print(f"{what:10} {site:8} {time.process_time() - cpu:6.2f} CPU-s {time.perf_counter() - wall:6.2f} s")


def by_parties(place: Path, names: list[str], room: int) -> None:
    """Let a process for each site add up by MPyC, and print what all took, from start to end."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in names]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in sockets]
    addresses = [part for port in ports for part in ("-P", f"127.0.0.1:{port}")]
    told = ["--room", str(room), "--for-merge", "-o"]
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, time.perf_counter()
    parties = [
        subprocess.Popen([sys.executable, "-m", "omopsql.federate.multiparty", place / f"{name}.parquet", *told,
                          place / f"{name}_all.parquet", *addresses, "-I", str(number)])
        for number, name in enumerate(names)
    ]  # fmt: skip
    ended = [party.wait() for party in parties]
    if any(ended):
        raise SystemExit("a party failed")
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    print(f"{'MPyC':10} {'all':8} {cpu:6.2f} CPU-s {time.perf_counter() - wall:6.2f} s")


def encrypted(words: list[np.ndarray]) -> None:
    """Add words up by TenSEAL, and print what each step takes."""
    secret, public = homomorphic.new_keys()
    parts = []
    for number, own in enumerate(words):
        with told("encrypt", f"site{number}"):
            parts.append(homomorphic.encrypted(own, public))
    print(f"{'encrypted':10} {'':8} {sum(map(len, parts[0])) / 1e6:6.1f} MB")
    with told("add"):
        total = homomorphic.add(parts, public)
    with told("decrypt"):
        homomorphic.decrypted(total, secret)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--statistics", type=int, default=1_000_000)
    parser.add_argument("--sites", type=int, default=3)
    parser.add_argument("--ways", action="store_true", help="also by MPyC and TenSEAL")
    asked = parser.parse_args()
    names = [f"site{number}" for number in range(asked.sites)]
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(omopsql.connect()) as con:
        place = Path(folder)
        cards = [acts.init(name, "s", place / f"{name}.site", place / f"{name}.card").path for name in names]
        study = Study.read(cards)
        own = {name: PrivateSite.read(place / f"{name}.site") for name in names}
        room = asked.statistics * 5 // 4
        for seed, name in enumerate(names):
            sums = exact_sums(asked.statistics if seed or asked.statistics < 2000 else 1000, seed)
            pq.write_table(sums.to_table(), place / f"{name}.parquet")
            if seed == 0:  # kernels are compiled
                acts.mask(con, str(place / f"{name}.parquet"), own[name], study, place / "first.masked", room)
                own[name].done.clear()
                pq.write_table(exact_sums(asked.statistics, seed).to_table(), place / f"{name}.parquet")
        for name in names:
            with told("mask", name):
                acts.mask(con, str(place / f"{name}.parquet"), own[name], study, place / f"{name}.masked", room)
        print(f"{'file':10} {'':8} {(place / 'site0.masked').stat().st_size / 1e6:6.1f} MB")
        masked = [place / f"{name}.masked" for name in names]
        with told("aggregate"):
            acts.aggregate(masked, own[names[0]], study, place / "all.total")
        for turn in ("unmask", "unmask"):
            with told(turn, names[0]):
                model = acts.unmask(place / "all.total", own[names[0]], study)
        print(f"{'together':10} {'':8} {model.num_rows:,} statistics")
        if asked.ways:
            by_parties(place, names, room)
            encrypted([words_of(con, str(place / f"{name}.parquet"), room) for name in names])


if __name__ == "__main__":
    main()
