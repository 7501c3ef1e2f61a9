"""Erases somebody when billing is done with them."""

from core.dependencies import Session
from core.events import Event, Handlers
from core.ids import parse_id
from core.resources import Resources
from users.privacy.dependencies import build

handlers = Handlers()


@handlers.once("customer.closed", source="billing")
async def erase_user(event: Event, session: Session, resources: Resources) -> None:
    """The only other service that holds anything of a person has removed it."""
    await build(session, resources).erase(parse_id("usr", event.data["user_id"]))
