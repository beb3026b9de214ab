"""A secret in shares, any ``threshold`` of which give it back, and fewer of which tell nothing.

Source: A. Shamir, How to share a secret, Communications of the ACM 22 (1979) 612-613. A share is the value of a
polynomial over a prime field at the number of its holder; the secret is the value at 0.
"""

from __future__ import annotations

from collections.abc import Mapping

from .primitives import derived

PRIME = 2**256 + 297
_SHARE_BYTES = 33


def split(secret: bytes, holders: int, threshold: int, purpose: str) -> list[bytes]:
    """Split 32 bytes into a share for each of the holders 1, 2, ..., ``holders``.

    The polynomial follows from the secret and the purpose, so that the same call gives the same shares.
    """
    coefficients = [int.from_bytes(secret, "big")]
    for degree in range(1, threshold):
        halves = [derived(secret, f"{purpose}/coefficient {degree}/{half}") for half in (0, 1)]
        coefficients.append(int.from_bytes(b"".join(halves), "big") % PRIME)
    return [_value(coefficients, holder).to_bytes(_SHARE_BYTES, "big") for holder in range(1, holders + 1)]


def joined(shares: Mapping[int, bytes]) -> bytes | None:
    """The secret from the shares of some holders, by their numbers; None when they do not belong together.

    Too few shares give another secret, or None: whoever joins must know what the secret is good for.
    """
    secret = 0
    for holder, share in shares.items():
        weight = 1
        for other in shares:
            if other != holder:
                weight = weight * other * pow(other - holder, -1, PRIME) % PRIME
        secret = (secret + int.from_bytes(share, "big") * weight) % PRIME
    return secret.to_bytes(32, "big") if secret < 2**256 else None


def _value(coefficients: list[int], at: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * at + coefficient) % PRIME
    return value
