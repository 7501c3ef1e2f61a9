"""Keys derived from the service's secret, and private keys at rest."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.tokens.keys import generate_key, key_id
from core.tokens.sealing import derive_key, key_from_pem, key_to_pem, open_key, seal_key

SECRET = "a secret that only this test knows"
KEY = generate_key()
KID = key_id(KEY)


def test_a_derived_key_is_the_one_that_hkdf_sha256_gives():
    # openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt key:secret -kdfopt info:cursors HKDF
    expected = "493b1b62a4088cfbe3b3ee1ac1444333e82391abc6f0f02f2d4ea1abebea509b"
    assert derive_key("secret", "cursors").hex() == expected


def test_keys_of_two_purposes_and_of_two_secrets_differ():
    keys = {derive_key(secret, purpose) for secret in ("one", "two") for purpose in ("cursors", "mail")}
    assert len(keys) == 4


@pytest.mark.parametrize("length", [1, 16, 64])
def test_a_derived_key_is_as_long_as_asked(length):
    assert len(derive_key(SECRET, "cursors", length)) == length


@pytest.mark.parametrize(("secret", "purpose", "length"), [("", "cursors", 32), (SECRET, "", 32), (SECRET, "x", 8161)])
def test_a_key_needs_a_secret_a_purpose_and_a_length(secret, purpose, length):
    with pytest.raises(ValueError, match=r"derived from|[Cc]annot derive|length"):
        derive_key(secret, purpose, length)


def test_a_sealed_key_opens_again():
    opened = open_key(seal_key(KEY, kid=KID, secret=SECRET), kid=KID, secret=SECRET)
    assert opened.private_numbers() == KEY.private_numbers()


def test_a_key_is_never_sealed_the_same_twice():
    assert seal_key(KEY, kid=KID, secret=SECRET) != seal_key(KEY, kid=KID, secret=SECRET)


@pytest.mark.parametrize(("kid", "secret"), [(KID, "another secret"), ("another kid", SECRET)], ids=["secret", "kid"])
def test_a_sealed_key_opens_only_with_its_secret_and_for_its_kid(kid, secret):
    with pytest.raises(ValueError, match="sealed"):
        open_key(seal_key(KEY, kid=KID, secret=SECRET), kid=kid, secret=secret)


@pytest.mark.parametrize("position", [0, 12, 40, -1])
def test_a_sealed_key_that_was_changed_does_not_open(position):
    raw = bytearray(base64.urlsafe_b64decode(seal_key(KEY, kid=KID, secret=SECRET)))
    raw[position] ^= 1
    with pytest.raises(ValueError, match="sealed"):
        open_key(base64.urlsafe_b64encode(raw).decode(), kid=KID, secret=SECRET)


@pytest.mark.parametrize("sealed", ["", "AAAA", "not base64!", "ü"])
def test_what_was_never_sealed_does_not_open(sealed):
    with pytest.raises(ValueError, match="sealed"):
        open_key(sealed, kid=KID, secret=SECRET)


def test_a_key_survives_a_pem_file():
    assert key_from_pem(key_to_pem(KEY)).private_numbers() == KEY.private_numbers()


def test_a_pem_file_with_a_key_of_another_kind_is_refused():
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="elliptic"):
        key_from_pem(pem)
