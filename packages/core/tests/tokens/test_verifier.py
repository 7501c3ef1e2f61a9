"""Which tokens are believed, and which forgeries are not."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from traceback import format_exception
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from core.errors import Unauthenticated, Unavailable
from core.ids import format_id, new_id
from core.tokens.keys import generate_key, key_id, public_jwk
from core.tokens.signing import sign_access_token
from core.tokens.verifier import HEADERS_MAX, Verifier

ISSUER = "https://api.example.com/users"
KEY = generate_key()
KID = key_id(KEY)
USER, SERVICE, SESSION = new_id(), new_id(), new_id()
NOW = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)
SIGNED_IN = NOW - timedelta(hours=1)

HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": KID}
CLAIMS = {
    "iss": ISSUER,
    "aud": ["api"],
    "sub": format_id("usr", USER),
    "client_id": "web",
    "jti": "j1",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 300,
    "scope": "catalog:read catalog:write",
    "roles": ["admin"],
    "sid": format_id("ses", SESSION),
    "auth_time": int(SIGNED_IN.timestamp()),
}


class MovableClock:
    def __init__(self):
        self.time = NOW

    def now(self):
        return self.time


class OneKey:
    """Knows one key, counts who asks, and can lose it."""

    def __init__(self, key=KEY, kid=KID):
        self.known = {kid: key.public_key()}
        self.asked = 0

    async def find(self, kid):
        self.asked += 1
        return self.known.get(kid)


class Down:
    async def find(self, kid):
        raise Unavailable("no key set yet")


def verifier(*keys, **options):
    chosen: dict[str, Any] = {"issuers": [ISSUER], "audience": "api", "clock": MovableClock(), "leeway_s": 30} | options
    return Verifier(keys or [OneKey()], **chosen)


def without(*names):
    return {name: value for name, value in CLAIMS.items() if name not in names}


def encoded(part) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(claims=CLAIMS, *, header=HEADER, key=KEY) -> str:
    """Signed by the right key unless said otherwise, whatever header and claims say."""
    signing_input = f"{encoded(header)}.{encoded(claims)}"
    signature = ECAlgorithm(ECAlgorithm.SHA256).sign(signing_input.encode(), key)
    return f"{signing_input}.{encoded(signature)}"


def hmac_token(secret: bytes, alg="HS256") -> str:
    signing_input = f"{encoded({**HEADER, 'alg': alg})}.{encoded(CLAIMS)}"
    return f"{signing_input}.{encoded(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"


PUBLIC_PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
PUBLIC_DER = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
STRANGER = generate_key()
HEAD, BODY, SIGNATURE = token().split(".")
LATER = int(NOW.timestamp()) + 31

FORGED = {
    "alg none": f"{encoded({**HEADER, 'alg': 'none'})}.{BODY}.",
    "alg none with the old signature": f"{encoded({**HEADER, 'alg': 'none'})}.{BODY}.{SIGNATURE}",
    "alg None": token(header={**HEADER, "alg": "None"}),
    "no alg": token(header={"typ": "at+jwt", "kid": KID}),
    "HS256 with the public key as PEM": hmac_token(PUBLIC_PEM),
    "HS256 with the public key as DER": hmac_token(PUBLIC_DER),
    "HS256 with the public key as JWK": hmac_token(json.dumps(public_jwk(KEY)).encode()),
    "ES256 with an HMAC as signature": hmac_token(PUBLIC_PEM, alg="ES256"),
    "ES384": jwt.encode(CLAIMS, generate_private_key(SECP384R1()), "ES384", {"typ": "at+jwt", "kid": KID}),
    "a stranger's key under our kid": token(key=STRANGER),
    "a kid that nobody knows": token(header={**HEADER, "kid": key_id(STRANGER)}, key=STRANGER),
    "no kid": token(header={"alg": "ES256", "typ": "at+jwt"}),
    "a kid that is no text": token(header={**HEADER, "kid": 1}),
    "a kid that is a path": token(header={**HEADER, "kid": "../../dev/null"}),
    "jku": token(header={**HEADER, "jku": "https://evil.example/jwks.json"}),
    "x5u": token(header={**HEADER, "x5u": "https://evil.example/cert.pem"}),
    "x5c": token(header={**HEADER, "x5c": ["MII"]}),
    "jwk": token(header={**HEADER, "jwk": public_jwk(KEY)}),
    "a stranger's jwk": token(header={**HEADER, "jwk": public_jwk(STRANGER)}, key=STRANGER),
    "crit": token(header={**HEADER, "crit": ["b64"], "b64": True}),
    "an unknown crit": token(header={**HEADER, "crit": ["exp"], "exp": 1}),
    "b64": token(header={**HEADER, "b64": True}),
    "typ of an ID token": token(header={**HEADER, "typ": "JWT"}),
    "typ of a logout token": token(header={**HEADER, "typ": "logout+jwt"}),
    "no typ": token(header={"alg": "ES256", "kid": KID}),
    "another issuer": token({**CLAIMS, "iss": "https://evil.example"}),
    "the issuer with a slash": token({**CLAIMS, "iss": f"{ISSUER}/"}),
    "issuers in a list": token({**CLAIMS, "iss": [ISSUER]}),
    "another audience": token({**CLAIMS, "aud": ["payments"]}),
    "no audience": token({**CLAIMS, "aud": []}),
    "an audience that is not a list": token({**CLAIMS, "aud": "api"}),
    "an audience that contains ours": token({**CLAIMS, "aud": ["api.example"]}),
    "expired": token({**CLAIMS, "iat": LATER - 400, "exp": LATER - 61}),
    "issued in the future": token({**CLAIMS, "iat": LATER}),
    "nbf in the future": token({**CLAIMS, "nbf": LATER}),
    "exp as text": token({**CLAIMS, "exp": str(CLAIMS["exp"])}),
    "exp that is true": token({**CLAIMS, "exp": True}),
    "exp beyond any calendar": token({**CLAIMS, "exp": 10**18}),
    "a negative auth_time": token({**CLAIMS, "auth_time": -1}),
    "exp that is NaN": token(json.dumps(CLAIMS).replace(str(CLAIMS["exp"]), "NaN").encode()),
    **{f"no {name}": token(without(name)) for name in ("iss", "aud", "sub", "client_id", "jti", "iat", "exp", "sid")},
    "no auth_time of a user": token(without("auth_time")),
    "an empty jti": token({**CLAIMS, "jti": ""}),
    "an empty client_id": token({**CLAIMS, "client_id": ""}),
    "roles as text": token({**CLAIMS, "roles": "admin"}),
    "scope as a list": token({**CLAIMS, "scope": ["catalog:write"]}),
    "a subject of another kind": token({**CLAIMS, "sub": format_id("inv", USER)}),
    "a subject that is a bare UUID": token({**CLAIMS, "sub": str(USER)}),
    "a subject that is a prefix": token({**CLAIMS, "sub": "usr"}),
    "a subject in capitals": token({**CLAIMS, "sub": format_id("usr", USER).upper()}),
    "a session of another kind": token({**CLAIMS, "sid": format_id("usr", SESSION)}),
    "a service with a session": token({**CLAIMS, "sub": format_id("svc", SERVICE)}),
    "a service with an auth_time": token({**without("sid"), "sub": format_id("svc", SERVICE)}),
    "claims that are a list": token([CLAIMS]),
    "claims that are no JSON": token(b"claims"),
    "a header that is no JSON": f"{encoded(b'header')}.{BODY}.{SIGNATURE}",
    "a header that is a list": f"{encoded([HEADER])}.{BODY}.{SIGNATURE}",
    "another body": f"{HEAD}.{encoded({**CLAIMS, 'roles': ['root']})}.{SIGNATURE}",
    "another header": f"{encoded({**HEADER, 'extra': 1})}.{BODY}.{SIGNATURE}",
    "a signature of zeros": f"{HEAD}.{BODY}.{encoded(bytes(64))}",
    "a signature cut short": f"{HEAD}.{BODY}.{SIGNATURE[:-4]}",
    "a padded signature": f"{HEAD}.{BODY}.{SIGNATURE}==",
    "no signature": f"{HEAD}.{BODY}.",
    "two parts": f"{HEAD}.{BODY}",
    "five parts": f"{HEAD}.{BODY}.{SIGNATURE}.{HEAD}.{BODY}",
    "a space": f"{HEAD}.{BODY}.{SIGNATURE} ",
    "a line break": f"{HEAD}.{BODY}.{SIGNATURE}\n",
    "letters beyond ASCII": f"{HEAD}.{BODY}.ü{SIGNATURE[1:]}",
    "half a character": f"{HEAD}.{BODY}.\ud800",
    "nothing": "",
    "more than a header carries": token({**CLAIMS, "roles": ["a" * 6_144]}),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_is_refused_and_never_remembered(forged):
    service = verifier()
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await service.verify(forged)
    assert not service._remembered
    assert (await service.verify(token())).id == USER


async def test_a_refusal_quotes_nothing_of_the_token():
    # Not as it stands here: a traceback shows lines of source.
    wrong = int("4711" * 2)
    with pytest.raises(Unauthenticated) as refused:
        await verifier().verify(token({**CLAIMS, "jti": wrong}))
    assert str(wrong) not in "".join(format_exception(refused.value))


@pytest.mark.parametrize("forgery", [name for name in FORGED if name.startswith(("alg", "no alg", "HS256", "ES384"))])
async def test_no_key_is_looked_up_for_another_algorithm(forgery):
    keys = OneKey()
    with pytest.raises(Unauthenticated):
        await verifier(keys).verify(FORGED[forgery])
    assert keys.asked == 0


async def test_a_user_is_what_the_token_says():
    principal = await verifier().verify(token())
    assert (principal.issuer, principal.subject) == (CLAIMS["iss"], CLAIMS["sub"])
    assert (principal.id, principal.kind) == (USER, "user")
    assert principal.scopes == {"catalog:read", "catalog:write"}
    assert principal.roles == {"admin"}
    assert (principal.session_id, principal.client_id, principal.auth_time) == (SESSION, "web", SIGNED_IN)
    assert principal.expires_at == NOW + timedelta(seconds=300)


async def test_a_service_has_neither_session_nor_auth_time():
    claims = {**without("sid", "auth_time", "scope", "roles"), "sub": format_id("svc", SERVICE)}
    principal = await verifier().verify(token(claims))
    assert (principal.kind, principal.id) == ("service", SERVICE)
    assert (principal.session_id, principal.auth_time) == (None, None)
    assert (principal.scopes, principal.roles) == (frozenset(), frozenset())


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
async def test_both_spellings_of_the_type_are_known(typ):
    assert (await verifier().verify(token(header={**HEADER, "typ": typ}))).id == USER


async def test_a_header_that_changes_nothing_is_allowed():
    assert (await verifier().verify(token(header={**HEADER, "x-trace": "1"}))).id == USER


async def test_our_audience_may_be_one_of_several():
    assert (await verifier().verify(token({**CLAIMS, "aud": ["other", "api"]}))).id == USER


async def test_each_of_the_issuers_is_believed():
    service = verifier(issuers=["http://localhost:8000/users", ISSUER])
    assert (await service.verify(token())).id == USER


@pytest.mark.parametrize(
    "claims",
    [
        {**CLAIMS, "iat": LATER - 1},
        {**CLAIMS, "nbf": LATER - 1},
        {**CLAIMS, "iat": LATER - 400, "exp": LATER - 60},
    ],
    ids=["iat", "nbf", "exp"],
)
async def test_clocks_may_differ_by_the_leeway(claims):
    assert (await verifier(leeway_s=30).verify(token(claims))).id == USER
    with pytest.raises(Unauthenticated):
        await verifier(leeway_s=29).verify(token(claims))


@pytest.mark.parametrize("leeway_s", [-1, 61])
def test_a_leeway_beyond_a_minute_stops_the_boot(leeway_s):
    with pytest.raises(ValueError, match="between 0 and 60"):
        verifier(leeway_s=leeway_s)


@pytest.mark.parametrize("position", range(0, len(token()), 7))
async def test_a_token_with_one_letter_changed_is_refused(position):
    whole = token()
    changed = "A" if whole[position] != "A" else "B"
    with pytest.raises(Unauthenticated):
        await verifier().verify(whole[:position] + changed + whole[position + 1 :])


async def test_every_source_of_keys_is_asked_in_turn():
    assert (await verifier(OneKey(STRANGER, "other"), OneKey()).verify(token())).id == USER


async def test_a_source_that_is_down_does_not_hide_the_others():
    assert (await verifier(Down(), OneKey()).verify(token())).id == USER


async def test_when_no_other_source_knows_the_key_the_outage_is_told():
    with pytest.raises(Unavailable):
        await verifier(Down(), OneKey(STRANGER, "other")).verify(token())


async def test_a_token_is_verified_once_and_then_remembered(monkeypatch):
    service = verifier()
    first = await service.verify(whole := token())
    monkeypatch.setattr(service._jws, "decode", None)
    assert await service.verify(whole) is first


async def test_a_remembered_token_does_not_outlive_its_expiry():
    clock = MovableClock()
    service = verifier(clock=clock, leeway_s=10)
    await service.verify(whole := token())
    clock.time = NOW + timedelta(seconds=309)
    assert (await service.verify(whole)).id == USER
    clock.time = NOW + timedelta(seconds=310)
    with pytest.raises(Unauthenticated, match="expired"):
        await service.verify(whole)
    assert not service._remembered


async def test_a_remembered_token_does_not_outlive_its_key():
    keys = OneKey()
    service = verifier(keys)
    await service.verify(whole := token())
    keys.known.clear()
    with pytest.raises(Unauthenticated):
        await service.verify(whole)


async def test_a_remembered_token_is_verified_again_when_its_kid_has_another_key():
    keys = OneKey()
    service = verifier(keys)
    await service.verify(whole := token())
    keys.known[KID] = STRANGER.public_key()
    with pytest.raises(Unauthenticated):
        await service.verify(whole)


async def test_no_more_tokens_are_remembered_than_allowed_and_the_least_used_goes_first():
    service = verifier(remembered_max=2)
    first, second, third = (token({**CLAIMS, "jti": str(uuid4())}) for _ in range(3))
    for each in (first, second, first, third):
        await service.verify(each)
    remembered = {hashlib.sha256(each.encode()).digest() for each in (first, third)}
    assert set(service._remembered) == remembered


async def test_what_is_signed_here_is_believed_here():
    signed = sign_access_token(
        key=KEY,
        kid=KID,
        issuer=ISSUER,
        audience=["api"],
        subject=format_id("usr", USER),
        client_id="web",
        session_id=SESSION,
        scopes={"b:write", "a:read"},
        roles=("support",),
        auth_time=SIGNED_IN,
        now=NOW,
        lifetime=timedelta(minutes=5),
    )
    principal = await verifier().verify(signed)
    assert (principal.id, principal.session_id, principal.scopes) == (USER, SESSION, {"a:read", "b:write"})
    assert (principal.auth_time, principal.expires_at) == (SIGNED_IN, NOW + timedelta(minutes=5))


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
async def test_a_forgery_is_refused_by_whoever_has_verified_the_token_that_it_was_made_of(forged):
    verifies = verifier()
    await verifies.verify(token())
    with pytest.raises(Unauthenticated):
        await verifies.verify(forged)


async def test_the_headers_of_forgeries_are_not_kept_and_of_others_so_many():
    keys = OneKey()
    verifies = verifier(keys)
    for number in range(HEADERS_MAX + 1):
        keys.known[f"k{number}"] = KEY.public_key()
        await verifies.verify(token(header={**HEADER, "kid": f"k{number}"}))
        with pytest.raises(Unauthenticated):
            await verifies.verify(token(header={**HEADER, "kid": f"k{number}", "cty": "x"}, key=STRANGER))
    assert len(verifies._headers) == 1
