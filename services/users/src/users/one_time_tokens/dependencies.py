"""How one-time tokens are opened in a transaction."""

from core.dependencies import Session
from core.resources import Resources
from core.tokens.sealing import derive_key
from users.one_time_tokens.repository import OneTimeTokenRepository
from users.one_time_tokens.service import OneTimeTokens
from users.settings import secret_of


def build(session: Session, resources: Resources) -> OneTimeTokens:
    """The one-time tokens, in the transaction of `session`."""
    key = derive_key(secret_of(resources), "users one-time tokens v1")
    return OneTimeTokens(OneTimeTokenRepository(session, resources.database.reads), key, resources.clock)
