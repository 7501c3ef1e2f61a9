"""What collection does without a request: it asks what became of payments that were left open."""

from billing.collection.dependencies import build_settlement
from core.events import Event, Handlers
from core.ids import parse_id
from core.resources import Resources

handlers = Handlers()


@handlers.on("payment.settle")
async def settle_payment(event: Event, resources: Resources) -> None:
    await build_settlement(resources).settle(parse_id("pay", event.data["id"]))
