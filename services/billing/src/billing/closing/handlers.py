"""When a customer is closed: the user asks to be erased, and billing answers when there is nothing left to do."""

from billing.closing.dependencies import build, build_detachment
from core.dependencies import Session
from core.events import Event, Handlers
from core.ids import parse_id
from core.resources import Resources

handlers = Handlers()


# The second one in case that the first one was lost: users has waited for the answer as long as it does.
@handlers.once("user.erasure_requested", source="users")
@handlers.once("user.erased", source="users")
async def close_customer(event: Event, session: Session, resources: Resources) -> None:
    await build(session, resources).begin(parse_id("usr", event.data["id"]))


@handlers.on("customer.close")
async def go_on_closing(event: Event, resources: Resources) -> None:
    await build_detachment(resources).go_on(parse_id("cus", event.data["id"]))
