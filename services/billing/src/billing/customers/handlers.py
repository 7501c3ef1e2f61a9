"""What customers do without a request: they are there before the first one."""

from billing.customers.dependencies import build
from core.dependencies import Session
from core.events import Event, Handlers
from core.ids import parse_id
from core.resources import Resources

handlers = Handlers()


# The second one for users who were there first: it is what users are told again as.
@handlers.once("user.activated", source="users")
@handlers.once("user.updated", source="users")
async def make_customer(event: Event, session: Session, resources: Resources) -> None:
    await build(session, resources).of_user(parse_id("usr", event.data["id"]))
