"""How the throttle is opened in a transaction."""

from core.dependencies import Session
from core.resources import Resources
from core.tokens.sealing import derive_key
from users.settings import Settings, secret_of
from users.throttling.repository import ThrottleRepository
from users.throttling.service import Throttle


def build(session: Session, resources: Resources) -> Throttle:
    """The throttle, which forgives in the transaction of `session`."""
    return Throttle(
        repository=ThrottleRepository(session, resources.database),
        key=derive_key(secret_of(resources), "users throttling v1"),
        clock=resources.clock,
        settings=resources.settings_as(Settings).throttling,
    )
