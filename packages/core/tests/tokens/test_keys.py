"""Public keys: how they are written, named and read."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from core.tokens.keys import generate_key, key_id, public_jwk, public_keys

KEY = generate_key()


def test_a_public_jwk_has_exactly_the_public_members():
    assert public_jwk(KEY).keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_public_key_is_written_as_its_private_key_is():
    assert public_jwk(KEY.public_key()) == public_jwk(KEY)


def test_the_kid_is_the_thumbprint_of_rfc_7638():
    # The P-256 key of RFC 7517, appendix A.1; the hash of its members, written by hand as RFC 7638 §3.3 says.
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }
    key = ECAlgorithm.from_jwk(jwk)
    assert key_id(key) == "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"
    assert public_jwk(key)["kid"] == key_id(key)


def test_what_is_written_can_be_read():
    other = generate_key()
    read = public_keys({"keys": [public_jwk(KEY), public_jwk(other)]})
    assert read == {key_id(KEY): KEY.public_key(), key_id(other): other.public_key()}


P384 = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    "entry",
    [
        "not an object",
        {},
        {**public_jwk(KEY), "kid": None},
        {**public_jwk(KEY), "kid": "x", "use": "enc"},
        {**public_jwk(KEY), "kid": "x", "alg": "ES384"},
        {**public_jwk(KEY), "kid": "x", "y": public_jwk(KEY)["x"]},
        {**public_jwk(KEY), "kid": "x", "y": "AA"},
        {**public_jwk(KEY), "kid": "x", "y": None},
        {**public_jwk(KEY), "kid": "x", "x": 1},
        {**ECAlgorithm.to_jwk(P384, as_dict=True), "kid": "x"},
        {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "x"},
    ],
)
def test_what_is_no_key_of_ours_is_passed_over(entry):
    assert public_keys({"keys": [entry, public_jwk(KEY)]}).keys() == {key_id(KEY)}


def test_a_private_member_that_was_published_by_mistake_is_not_taken_in():
    leaked = {**public_jwk(KEY), "d": ECAlgorithm.to_jwk(KEY, as_dict=True)["d"]}
    assert public_keys({"keys": [leaked]}) == {key_id(KEY): KEY.public_key()}


@pytest.mark.parametrize("jwk_set", [None, [], "keys", {}, {"keys": None}, {"keys": {}}, {"keys": []}, {"keys": [{}]}])
def test_what_has_no_key_at_all_is_no_key_set(jwk_set):
    with pytest.raises(ValueError, match="JWK set"):
        public_keys(jwk_set)
