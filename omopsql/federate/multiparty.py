"""Addition by MPyC: each site runs this at the same time, and they compute the sum together over the network.

    python -m omopsql.federate.multiparty north.parquet --room 65536 -o all.parquet -P localhost:11365 -P ... -I 0

The options of addresses, keys and certificates are MPyC's (``-P``, ``-I``, ``-M``, ``--ssl``). Words are Shamir-shared
over a prime field, added share by share, and opened to all. Source: B. Schoenmakers, MPyC, github.com/lschoe/mpyc.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
from pathlib import Path

import numpy as np

import omopsql
from omopsql.errors import OmopsqlError
from omopsql.quoting import literal

from .primitives import Words
from .words import model_of, words_of

_ORDER = 1 << 72  # of the field, at least: 255 sums of 64 bits fit
_AT_ONCE = 1 << 16  # words, so that no message is long


def require_mpyc() -> None:
    """Raise OmopsqlError when MPyC is not installed."""
    if importlib.util.find_spec("mpyc") is None:
        raise OmopsqlError("addition by several parties needs MPyC: pip install 'omopsql[multiparty]'")


async def add(words: Words) -> Words:
    """Add the words of all parties modulo 2^64. Every party calls it with words of the same length."""
    from mpyc.runtime import mpc

    field = mpc.SecFld(min_order=_ORDER)
    found = np.empty(len(words), np.uint64)
    for start in range(0, len(words), _AT_ONCE):
        own = field.array(field.field.array(words[start : start + _AT_ONCE].astype(object)))
        opened = await mpc.output(sum(mpc.input(own)))
        found[start : start + _AT_ONCE] = (np.asarray(opened.value) % 2**64).astype(np.uint64)
    return found


def main() -> None:
    """Run one party."""
    require_mpyc()
    from mpyc.runtime import mpc  # reads its own options

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--room", type=int, required=True)
    parser.add_argument("--for-merge", action="store_true")
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_known_args()[0]

    async def run() -> Words:
        async with mpc:
            return await add(words_of(con, asked.model, asked.room))

    with contextlib.closing(omopsql.connect()) as con:
        con.register("added", model_of(mpc.run(run()), asked.room, asked.for_merge))
        con.execute(f"COPY (FROM added) TO {literal(str(asked.output))} (FORMAT parquet)")


if __name__ == "__main__":
    main()
