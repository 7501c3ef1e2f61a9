"""Sends the mail about changes of an address, after the commit of what it tells."""

from uuid import UUID

from core.events import Event, Handlers
from core.resources import Resources
from users import mails
from users.email_changes.dependencies import build
from users.email_changes.service import ADDRESS_WANTED, CONFIRMATION_REQUESTED, EMAIL_CHANGED, REQUEST_NOTICED

handlers = Handlers()


@handlers.on(CONFIRMATION_REQUESTED)
async def send_confirmation(event: Event, resources: Resources) -> None:
    """The token is derived here, and is in no table, event or log on its way to the mail."""
    token_id = UUID(event.data["token_id"])
    await mails.send(resources, lambda session: build(session, resources).confirmation_mail(token_id))


@handlers.on(ADDRESS_WANTED)
async def send_taken_notice(event: Event, resources: Resources) -> None:
    """Tells the owner of an address, not the caller, that it is taken."""
    user_id = UUID(event.data["user_id"])
    await mails.send(resources, lambda session: build(session, resources).taken_notice(user_id))


@handlers.on(REQUEST_NOTICED)
async def send_request_notice(event: Event, resources: Resources) -> None:
    """Tells the owner of an account, whoever it was that knew its password."""
    user_id = UUID(event.data["user_id"])
    await mails.send(resources, lambda session: build(session, resources).request_notice(user_id))


@handlers.on(EMAIL_CHANGED)
async def send_change_notice(event: Event, resources: Resources) -> None:
    """Tells the former address, and forgets it then."""
    former_id = UUID(event.data["former_id"])
    await mails.send(resources, lambda session: build(session, resources).change_notice(former_id))
    async with resources.database.transaction() as session:
        await build(session, resources).forget(former_id)
