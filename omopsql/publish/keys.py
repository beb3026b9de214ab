"""The key that signs releases: Ed25519 (RFC 8032), as PEM."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omopsql.errors import OmopsqlError, first_line

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PASSWORD = "OMOPSQL_KEY_PASSWORD"
_NEEDED = "signing needs cryptography: pip install 'omopsql[publish]'"


def default_path() -> Path:
    """Where the key stands that is made at first use."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "omopsql" / "signing-key.pem"


def read_private(path: Path) -> Ed25519PrivateKey:
    """Read a private key. Raises OmopsqlError when the file holds none, or one of another kind."""
    serialization, ed25519 = _serialization(), _ed25519()
    password = os.environ.get(PASSWORD)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password.encode() if password else None)
    except TypeError as error:
        told = "is encrypted" if not password else f"is not encrypted, and {PASSWORD} is set"
        raise OmopsqlError(f"the key {path} {told}; {PASSWORD} holds the password of an encrypted key") from error
    except ValueError as error:
        raise OmopsqlError(f"{path} holds no private key that can be read: {first_line(error)}") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise OmopsqlError(f"{path} is no Ed25519 key; make one with openssl genpkey -algorithm ed25519 -out key.pem")
    return key


def make_private(path: Path) -> Ed25519PrivateKey:
    """Make a key, and keep it where only its owner can read it."""
    serialization, ed25519 = _serialization(), _ed25519()
    key: Ed25519PrivateKey = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """Write the public half of a key."""
    serialization = _serialization()
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_public(pem: bytes, name: str) -> Ed25519PublicKey:
    """Read a public key. Raises OmopsqlError when ``name`` holds none."""
    try:
        key = _serialization().load_pem_public_key(pem)
    except ValueError as error:
        raise OmopsqlError(f"{name} holds no public key that can be read: {first_line(error)}") from error
    if not isinstance(key, _ed25519().Ed25519PublicKey):
        raise OmopsqlError(f"{name} is no Ed25519 key")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """Name a key by the SHA-256 of its 32 bytes."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def sign(key: Ed25519PrivateKey, content: bytes) -> bytes:
    """Sign bytes; the signature is one line of base64."""
    return base64.b64encode(key.sign(content)) + b"\n"


def is_signed(key: Ed25519PublicKey, content: bytes, signature: bytes) -> bool:
    """Whether ``signature``, byte for byte as ``sign`` writes one, is of these bytes and this key."""
    from cryptography.exceptions import InvalidSignature

    try:
        raw = base64.b64decode(signature.strip(), validate=True)
        key.verify(raw, content)
    except (ValueError, InvalidSignature):
        return False
    return base64.b64encode(raw) + b"\n" == signature  # base64 leaves bits of the last letter open


def _serialization() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError as error:
        raise OmopsqlError(_NEEDED) from error
    return serialization


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise OmopsqlError(_NEEDED) from error
    return ed25519
