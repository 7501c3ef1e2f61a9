"""Sends the mail that registrations ask for, after their commit."""

from uuid import UUID

from core.events import Event, Handlers
from core.resources import Resources
from users import mails
from users.registration.dependencies import build
from users.registration.service import REGISTRATION_REPEATED, VERIFICATION_REQUESTED

handlers = Handlers()


@handlers.on(VERIFICATION_REQUESTED)
async def send_verification(event: Event, resources: Resources) -> None:
    """The token is derived here, and is in no table, event or log on its way to the mail."""
    token_id = UUID(event.data["token_id"])
    await mails.send(resources, lambda session: build(session, resources).verification_mail(token_id))


@handlers.on(REGISTRATION_REPEATED)
async def send_registration_notice(event: Event, resources: Resources) -> None:
    """Tells the owner of an account, not the caller, that the address is taken."""
    user_id = UUID(event.data["user_id"])
    await mails.send(resources, lambda session: build(session, resources).registration_notice(user_id))
