"""The cryptographic steps that masking is made of, all from the library ``cryptography``.

Agreement X25519 (RFC 7748), derivation HKDF-SHA256 (RFC 5869), streams ChaCha20 and boxes ChaCha20-Poly1305 (RFC 8439),
signatures Ed25519 (RFC 8032). Keys are 32 bytes as the standards write them.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import numpy.typing as npt

from omopsql.errors import OmopsqlError

Words = npt.NDArray[np.uint64]

KEY_BYTES = 32
_CHUNK_WORDS = 1 << 17  # of a stream at a time: 1 MB stays in the cache
_ONCE = bytes(12)  # each box has a key of its own, so no nonce is ever used twice


def require_cryptography() -> None:
    """Raise OmopsqlError when the library is not installed."""
    if importlib.util.find_spec("cryptography") is None:
        raise OmopsqlError("federation needs the library cryptography: pip install 'omopsql[secure]'")


def agreement_public(private: bytes) -> bytes:
    """The public key of a private X25519 key."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def agreed(private: bytes, public: bytes, purpose: str) -> bytes:
    """The key that two sites share for one purpose: each makes it of its private and the other's public key."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    return derived(shared, purpose)


def derived(secret: bytes, purpose: str) -> bytes:
    """A key for one purpose from a secret. Keys of different purposes tell nothing about each other."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(secret)


def add_stream(words: Words, seed: bytes, sign: int) -> None:
    """Add (``sign`` 1) or subtract (-1) the stream of a seed, modulo 2^64, in place."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

    stream = Cipher(algorithms.ChaCha20(seed, bytes(16)), None).encryptor()
    zeros = bytes(8 * _CHUNK_WORDS)
    room = bytearray(len(zeros))
    operation = np.add if sign > 0 else np.subtract
    for start in range(0, len(words), _CHUNK_WORDS):
        chunk = words[start : start + _CHUNK_WORDS]
        stream.update_into(zeros[: 8 * len(chunk)], room)
        operation(chunk, np.frombuffer(room, "<u8", len(chunk)), out=chunk)


def sealed(key: bytes, secret: bytes) -> bytes:
    """Put a secret into a box that only the holders of ``key`` can open. A key is good for one box."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(key).encrypt(_ONCE, secret, None)


def opened(key: bytes, box: bytes) -> bytes | None:
    """Open a box; None when it was made with another key, or changed."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    try:
        return ChaCha20Poly1305(key).decrypt(_ONCE, box, None)
    except InvalidTag:
        return None


def signing_public(private: bytes) -> bytes:
    """The public key of a private Ed25519 key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def signature(private: bytes, message: bytes) -> bytes:
    """Sign a message."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(private).sign(message)


def is_signed(public: bytes, message: bytes, mark: bytes) -> bool:
    """Whether the holder of a key signed exactly this message."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(mark, message)
    except InvalidSignature:
        return False
    return True
