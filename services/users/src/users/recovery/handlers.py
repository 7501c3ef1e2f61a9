"""Sends the mail about passwords, after the commit of what it tells."""

from uuid import UUID

from core.events import Event, Handlers
from core.resources import Resources
from users import mails
from users.recovery.dependencies import build
from users.recovery.service import PASSWORD_REPLACED, RESET_REQUESTED

handlers = Handlers()


@handlers.on(RESET_REQUESTED)
async def send_reset(event: Event, resources: Resources) -> None:
    """The token is derived here, and is in no table, event or log on its way to the mail."""
    token_id = UUID(event.data["token_id"])
    await mails.send(resources, lambda session: build(session, resources).reset_mail(token_id))


@handlers.on(PASSWORD_REPLACED)
async def send_password_notice(event: Event, resources: Resources) -> None:
    """Tells the owner of an account, whoever it was that knew enough to replace its password."""
    user_id = UUID(event.data["user_id"])
    await mails.send(resources, lambda session: build(session, resources).password_notice(user_id))
