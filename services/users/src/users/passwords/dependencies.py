"""How passwords are opened in a transaction."""

from core.dependencies import Session
from core.resources import Resources
from users.passwords.provider import Breaches, Hashing
from users.passwords.repository import CredentialRepository
from users.passwords.service import Passwords
from users.settings import Settings


def build(session: Session, resources: Resources) -> Passwords:
    """The passwords, in the transaction of `session`."""
    return Passwords(
        repository=CredentialRepository(session),
        hashing=resources[Hashing],
        breaches=resources[Breaches],
        clock=resources.clock,
        policy=resources.settings_as(Settings).passwords,
    )
