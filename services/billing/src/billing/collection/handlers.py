"""What collection does without a request: it asks what became of payments, and tries a new default method."""

from billing.collection.dependencies import build_unattended
from core.events import Event, Handlers
from core.ids import parse_id
from core.resources import Resources

handlers = Handlers()


@handlers.on("payment.settle")
async def settle_payment(event: Event, resources: Resources) -> None:
    await build_unattended(resources).settle(parse_id("pay", event.data["id"]))


@handlers.on("customer.retry_due")
async def retry_early(event: Event, resources: Resources) -> None:
    await build_unattended(resources).retry_early(parse_id("cus", event.data["id"]), occasion=event.id)
