"""Access tokens: what verifying one costs with a key that is at hand, against the library that checks the signature."""

import tempfile
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path

import jwt
import uvloop

from bench.figures import Group, Ratio, Samples, Target
from bench.rounds import Call, in_turn
from bench.tokens import tokens
from core.clock import SystemClock
from core.opening import LOCAL_ISSUER
from core.tokens.keys import ALGORITHM
from core.tokens.local import LocalKey
from core.tokens.verifier import REMEMBERED_MAX, Verifier

LEEWAY_S = 10
AUDIENCE = "api"


def run() -> Samples:
    """Measures both in turn."""
    with tempfile.TemporaryDirectory() as name:
        key = LocalKey.open(Path(name), environment="local")
        # One more than are remembered, in turn: none is known when it comes again.
        return uvloop.run(_run(key, tokens(Path(name), REMEMBERED_MAX + 1)))


async def _run(key: LocalKey, shown: Sequence[str]) -> Samples:
    subjects: dict[str, Call] = {
        "PyJWT": _by_the_library(key, shown),
        "Verifier": _by_verifier(key, shown),
        "Verifier, token known": _by_verifier(key, shown[:1]),
    }
    return await in_turn(subjects, rounds=30, calls=300)


def _by_verifier(key: LocalKey, shown: Sequence[str]) -> Call:
    verifier = Verifier([key], issuers=[LOCAL_ISSUER], audience=AUDIENCE, clock=SystemClock(), leeway_s=LEEWAY_S)
    following: Callable[[], str] = cycle(shown).__next__

    async def verify() -> object:
        return await verifier.verify(following())

    return verify


def _by_the_library(key: LocalKey, shown: Sequence[str]) -> Call:
    following: Callable[[], str] = cycle(shown).__next__
    required = {"require": ["iss", "aud", "sub", "client_id", "jti", "iat", "exp"]}
    checks = {"algorithms": [ALGORITHM], "issuer": LOCAL_ISSUER, "audience": AUDIENCE, "leeway": LEEWAY_S}

    async def decode() -> object:
        return jwt.decode(following(), key.public, options=required, **checks)

    return decode


GROUP = Group(
    title="Verifying an access token, its key at hand",
    unit="µs",
    run=run,
    figures=[
        Ratio("another token each time", "Verifier", "PyJWT", Target(1.5)),
        Ratio("a token that was verified before", "Verifier, token known", "PyJWT"),
    ],
)
