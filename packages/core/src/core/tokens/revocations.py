"""Which access tokens are refused although they are valid still: what signing out means to a token."""

from typing import Protocol

from core.tokens.principal import Principal


class Revocations(Protocol):
    """Whoever knows what was revoked."""

    async def is_revoked(self, principal: Principal) -> bool:
        """Whether the token that this caller was read from is no longer to be believed; asked at every request."""
        ...


class NothingRevoked:
    """The revocations of a service that hears of none: a token is believed until it expires."""

    async def is_revoked(self, principal: Principal) -> bool:  # noqa: ARG002 - the protocol's
        """Never."""
        return False
