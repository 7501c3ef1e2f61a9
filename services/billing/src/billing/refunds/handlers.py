"""What refunds do without a request: they ask what became of those that were left open."""

from billing.refunds.dependencies import build_settlement
from core.events import Event, Handlers
from core.ids import parse_id
from core.resources import Resources

handlers = Handlers()


@handlers.on("refund.settle")
async def settle_refund(event: Event, resources: Resources) -> None:
    await build_settlement(resources).settle(parse_id("rfd", event.data["id"]))
