"""Addition by TenSEAL: sites encrypt, an aggregator adds what it cannot read, and the holder of the key decrypts.

The scheme is CKKS, which computes with rounding errors; words are cut into pieces of 16 bits, whose sums are told apart
by rounding. The holder of the key must not be the aggregator, and must see the sum alone: it could decrypt the parts.
Source: A. Benaissa and others, TenSEAL, ICLR 2021 workshop, github.com/OpenMined/TenSEAL.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np

from omopsql.errors import OmopsqlError

from .primitives import Words

_DEGREE, _MODULI, _SCALE = 8192, [60, 40, 60], 2.0**40
_SLOTS = _DEGREE // 2
_PIECES, _BITS = 4, 16
_FURTHEST = 0.25  # from a whole number: beyond, rounding could be wrong

Encrypted = list[bytes]


def _tenseal() -> Any:
    """Import TenSEAL. Raises OmopsqlError when it is not installed."""
    if importlib.util.find_spec("tenseal") is None:
        raise OmopsqlError("addition of encrypted sums needs TenSEAL: pip install 'omopsql[homomorphic]'")
    import tenseal

    return tenseal


def new_keys() -> tuple[bytes, bytes]:
    """Make the secret context, for who decrypts, and the public one, for sites and the aggregator."""
    tenseal = _tenseal()
    context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, _DEGREE, coeff_mod_bit_sizes=_MODULI)
    context.global_scale = _SCALE
    secret = context.serialize(save_secret_key=True, save_galois_keys=False, save_relin_keys=False)
    context.make_context_public()
    return secret, context.serialize(save_galois_keys=False, save_relin_keys=False)


def encrypted(words: Words, public: bytes) -> Encrypted:
    """Encrypt a site's words, a ciphertext for every 4096 pieces."""
    tenseal = _tenseal()
    context = tenseal.context_from(public)
    pieces = words.astype("<u8").view("<u2").astype(np.float64)
    starts = range(0, len(pieces), _SLOTS)
    return [tenseal.ckks_vector(context, pieces[start : start + _SLOTS]).serialize() for start in starts]


def add(parts: Sequence[Encrypted], public: bytes) -> Encrypted:
    """Add up what sites encrypted, unseen. Raises OmopsqlError when they are of differing length."""
    tenseal = _tenseal()
    if len({len(part) for part in parts}) != 1:
        raise OmopsqlError("encrypted sums are of differing length: let all sites encrypt with one room")
    context = tenseal.context_from(public)
    found = []
    for texts in zip(*parts, strict=True):
        first, *others = (tenseal.ckks_vector_from(context, text) for text in texts)
        for other in others:
            first += other
        found.append(first.serialize())
    return found


def decrypted(total: Encrypted, secret: bytes) -> Words:
    """Decrypt the sum modulo 2^64. Raises OmopsqlError when a number lies too far from a whole one to be rounded."""
    tenseal = _tenseal()
    context = tenseal.context_from(secret)
    pieces = np.concatenate([np.array(tenseal.ckks_vector_from(context, text).decrypt()) for text in total])
    whole = np.rint(pieces)
    if len(pieces) and np.abs(pieces - whole).max() > _FURTHEST:
        raise OmopsqlError("the encrypted sum is too inexact to be rounded: add up fewer sites at a time")
    sums = whole.astype(np.int64).astype(np.uint64).reshape(-1, _PIECES)
    shifts = np.arange(_PIECES, dtype=np.uint64) * np.uint64(_BITS)
    return (sums << shifts).sum(axis=1, dtype=np.uint64)
