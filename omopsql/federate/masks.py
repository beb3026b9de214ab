"""Masks: streams that two sites share, one adds and the other subtracts; and a cover that only sites can take off.

Source: K. Bonawitz and others, Practical secure aggregation for privacy-preserving machine learning, CCS 2017. Here a
site's own cover is known to the other sites, so that whoever adds files up sees no sum either; and secrets of a round
are shared out by file before it, so that a site that drops out can be done without.
"""

from __future__ import annotations

from .primitives import Words, add_stream, agreed, derived
from .study import PrivateSite, Study


def place(study: Study, number: int, room: int) -> str:
    """Names one use of masks. Other rounds and tables of another size have streams of their own."""
    return f"{study.session}/round {number}/room {room}"


def cover(own: PrivateSite, at: str) -> bytes:
    """The seed of a site's own cover."""
    return derived(own.key("cover"), f"omopsql cover/{at}")


def mask(words: Words, own: PrivateSite, study: Study, number: int, at: str) -> None:
    """Mask a site's words in place. What is left is noise to everybody who lacks its keys."""
    for other in study.others(own.name):
        seed = _shared(own.round_key(number), study.cards[other].round_key(number), own.name, other, at)
        add_stream(words, seed, 1 if own.name < other else -1)
    add_stream(words, cover(own, at), 1)


def unmask_missing(
    words: Words, missing: str, secret: bytes, took_part: list[str], study: Study, number: int, at: str
) -> None:
    """Take off what sites added for the sake of one that dropped out, whose ``secret`` of the round is known."""
    for other in took_part:
        seed = _shared(secret, study.cards[other].round_key(number), missing, other, at)
        add_stream(words, seed, -1 if other < missing else 1)


def _shared(private: bytes, public: bytes, one: str, two: str, at: str) -> bytes:
    return agreed(private, public, f"omopsql mask/{at}/{min(one, two)}/{max(one, two)}")
