"""The signing keys as one replica knows them: read from the table again and again."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from core.clock import Clock
from core.database import DatabaseUnavailable
from core.errors import Unavailable
from core.tokens.keys import public_keys
from core.tokens.sealing import open_key
from users.signing.models import State
from users.signing.repository import SigningKeyQueries

log = structlog.get_logger("users.signing")


class KeysUnusable(Exception):
    """There is no key to sign with, or this process cannot open it; the text is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class _Known:
    kid: str
    private: EllipticCurvePrivateKey = field(repr=False)
    jwks: tuple[dict[str, Any], ...]
    public: Mapping[str, EllipticCurvePublicKey]
    # When the reading began: what was committed later may lack.
    read_at: datetime


class SigningKeys:
    """The key that signs, and every key that verifies; a `Keys` of core.tokens.

    An outage of the database takes nothing away but, after `stale_after`, the right to sign: the key may have been
    retired, and removed, meanwhile. A look for a key is one into memory, whoever asks for whatever name.
    """

    def __init__(self, queries: SigningKeyQueries, *, secret: str, stale_after: timedelta, clock: Clock) -> None:
        self._queries = queries
        self._secret = secret
        self._stale_after = stale_after
        self._clock = clock
        self._known: _Known | None = None

    @property
    def jwks(self) -> tuple[dict[str, Any], ...]:
        """Every key that verifies, and the one that is about to, as RFC 7517 writes them."""
        return () if self._known is None else self._known.jwks

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        """The public key of that name, or None."""
        return None if self._known is None else self._known.public.get(kid)

    def signer(self) -> tuple[str, EllipticCurvePrivateKey]:
        """The key that signs, with its name.

        Raises:
            Unavailable: the keys could not be read for so long that others may refuse what this one signs.
        """
        known = self._known
        if known is None or self._clock.now() - known.read_at > self._stale_after:
            raise Unavailable("The keys of access tokens could not be read for a while.")
        return known.kid, known.private

    async def reload(self) -> None:
        """Reads the table.

        Raises:
            DatabaseUnavailable: it could not; what was known still is.
            KeysUnusable: what it holds is nothing to sign with; what was known still is.
        """
        read_at = self._clock.now()
        rows = await self._queries.all()
        active = next((row for row in rows if row.state == State.ACTIVE), None)
        if active is None:
            raise KeysUnusable("there is no active signing key: a start of users makes one")
        known = self._known
        if known is not None and known.kid == active.kid:
            private = known.private
        else:
            private = opened(active.sealed_private, kid=active.kid, secret=self._secret)
            log.info("signing key in use", kid=active.kid)
        jwks = tuple(row.public_jwk for row in rows)
        public = public_keys({"keys": list(jwks)})
        if known is not None:
            # The same object for the same key, so that tokens verified with it stay remembered.
            public |= {kid: key for kid, key in known.public.items() if kid in public}
        self._known = _Known(active.kid, private, jwks, public, read_at)

    async def run(self, *, interval_s: float) -> None:
        """Reads the table again and again until cancelled; waits while there is nothing to be had."""
        waits = False
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.reload()
            except (DatabaseUnavailable, KeysUnusable) as failed:
                if not waits:
                    log.warning("signing keys wait", cause=str(failed.__cause__ or failed))
                waits = True
                continue
            if waits:
                log.info("signing keys go on")
            waits = False


def opened(sealed: str | None, *, kid: str, secret: str) -> EllipticCurvePrivateKey:
    """The private half of a key.

    Raises:
        KeysUnusable: it was sealed with another secret than this one.
    """
    try:
        return open_key(sealed or "", kid=kid, secret=secret)
    except ValueError:
        raise KeysUnusable(
            "the signing keys were sealed with another secret key: bring that one back, or, if it is given up, "
            "replace what it has sealed with `users rotate-keys --new-secret`"
        ) from None
