"""Keys and signatures: who may read a key, and that nothing but the very signature is one."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omopsql import OmopsqlError
from omopsql.publish import keys

pytest.importorskip("cryptography")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return keys.make_private(tmp_path_factory.mktemp("key") / "key.pem")


def test_a_key_is_its_owners_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    path = keys.default_path()
    assert path == tmp_path / "settings/omopsql/signing-key.pem"
    made = keys.make_private(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.public_pem(keys.read_private(path)) == keys.public_pem(made)
    with pytest.raises(FileExistsError):
        keys.make_private(path)


def test_other_keys_are_refused(tmp_path, monkeypatch):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    def pem(key, encryption):
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)

    path = tmp_path / "key.pem"
    path.write_bytes(pem(ec.generate_private_key(ec.SECP256R1()), serialization.NoEncryption()))
    with pytest.raises(OmopsqlError, match="is no Ed25519 key"):
        keys.read_private(path)
    path.write_text("no key")
    with pytest.raises(OmopsqlError, match="holds no private key"):
        keys.read_private(path)
    own = ed25519.Ed25519PrivateKey.generate()
    path.write_bytes(pem(own, serialization.BestAvailableEncryption(b"secret")))
    with pytest.raises(OmopsqlError, match="is encrypted; OMOPSQL_KEY_PASSWORD"):
        keys.read_private(path)
    monkeypatch.setenv(keys.PASSWORD, "secret")
    assert keys.public_pem(keys.read_private(path)) == keys.public_pem(own)


@given(st.binary(max_size=200))
def test_a_signature_is_of_these_bytes_and_no_others(key, content):
    public, signature = key.public_key(), keys.sign(key, content)
    assert keys.is_signed(public, content, signature)
    assert not keys.is_signed(public, content + b"\0", signature)
    assert not keys.is_signed(public, b"\0" + content, signature)


def test_one_changed_bit_of_a_signature_is_found(key):
    signature = keys.sign(key, b"content")
    for position in range(len(signature)):
        for bit in range(8):
            changed = bytearray(signature)
            changed[position] ^= 1 << bit
            assert not keys.is_signed(key.public_key(), b"content", bytes(changed)), (position, bit)
    for changed in (b"", signature[:-1], signature + b"\n", b" " + signature, b"\xff"):
        assert not keys.is_signed(key.public_key(), b"content", changed)
