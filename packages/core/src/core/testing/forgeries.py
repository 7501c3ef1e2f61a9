"""What somebody sends who has no valid access token: nothing, the wrong thing, and every forgery that is known."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.ids import format_id, new_id
from core.opening import LOCAL_ISSUER
from core.tokens.keys import ALGORITHM, generate_key, public_jwk
from core.tokens.local import LocalKey
from core.tokens.signing import TYPE

Headers = list[tuple[str, str]]

HOUR_S = 3_600
ELSEWHERE = "https://attacker.example/keys"
PLAIN_CHALLENGE = "Bearer"
INVALID_CHALLENGE = 'Bearer error="invalid_token"'


def without_a_token() -> Mapping[str, Headers]:
    """What shows no access token at all."""
    return {
        "no token": [],
        "Basic": [("Authorization", "Basic dXNlcjpwdw==")],
        "a scheme": [("Authorization", "Bearer")],
    }


def forgeries(key: LocalKey, *, audience: str) -> Mapping[str, Headers]:
    """What shows a token that is not valid; but for what its name says, each is as `key` would sign it."""
    valid = _signed(key, audience=audience)
    shown = {"garbage": "not.a.token", **dict(_tokens(key, audience=audience))}
    twice = [("Authorization", f"Bearer {valid}")] * 2
    return {name: [("Authorization", f"Bearer {token}")] for name, token in shown.items()} | {
        "a valid one twice": twice
    }


def _tokens(key: LocalKey, *, audience: str) -> Iterator[tuple[str, str]]:
    now = int(datetime.now(UTC).timestamp())
    stranger = generate_key()
    claims = {
        "expired": {"iat": now - 2 * HOUR_S, "exp": now - HOUR_S},
        "not valid yet": {"nbf": now + HOUR_S},
        "of another audience": {"aud": ["elsewhere"]},
        "of another issuer": {"iss": "https://attacker.example"},
    }
    for name, changed in claims.items():
        yield name, _signed(key, audience=audience, claims=changed)
    headers = {
        "of another type": {"typ": "JWT"},
        "of an unknown key": {"kid": "unknown"},
        "jku": {"jku": ELSEWHERE},
        "x5u": {"x5u": ELSEWHERE},
        "jwk": {"jwk": public_jwk(key.public)},
    }
    for name, changed in headers.items():
        yield name, _signed(key, audience=audience, headers=changed)
    yield "by another key under our name", _signed(key, audience=audience, signed_with=stranger)
    yield (
        "by the key it brings along",
        _signed(key, audience=audience, headers={"jwk": public_jwk(stranger)}, signed_with=stranger),
    )
    header, payload, _ = _signed(key, audience=audience).split(".")
    unsigned = _encoded({"typ": TYPE, "kid": key.kid, "alg": "none"})
    yield "unsigned", f"{unsigned}.{payload}."
    yield "unsigned, with a signature", f"{unsigned}.{payload}.AA"
    yield "its signature cut off", f"{header}.{payload}."
    for name, encoding in (("PEM", Encoding.PEM), ("DER", Encoding.DER)):
        public = key.public.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        yield f"HS256 with the public key as {name}", _with_a_shared_secret(key, payload, public)


def _signed(
    key: LocalKey,
    *,
    audience: str,
    claims: Mapping[str, Any] | None = None,
    headers: Mapping[str, Any] | None = None,
    signed_with: Any = None,
) -> str:
    now = int(datetime.now(UTC).timestamp())
    said = {
        "iss": LOCAL_ISSUER,
        "aud": [audience],
        "sub": format_id("usr", new_id()),
        "client_id": "tests",
        "sid": format_id("ses", new_id()),
        "jti": str(new_id()),
        "iat": now,
        "exp": now + HOUR_S,
        "auth_time": now,
        "scope": "",
        "roles": [],
    }
    header = {"kid": key.kid, "typ": TYPE, **(headers or {})}
    return jwt.encode({**said, **(claims or {})}, signed_with or key.private, algorithm=ALGORITHM, headers=header)


def _with_a_shared_secret(key: LocalKey, payload: str, secret: bytes) -> str:
    # PyJWT refuses to sign so.
    signed = f"{_encoded({'typ': TYPE, 'kid': key.kid, 'alg': 'HS256'})}.{payload}"
    return f"{signed}.{_base64(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _encoded(part: Mapping[str, Any]) -> str:
    return _base64(json.dumps(part).encode())


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
