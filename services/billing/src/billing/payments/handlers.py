"""What payments do without a request: the provider gives up the payment methods that were removed."""

from billing.payments.dependencies import build_detachment
from core.events import Event, Handlers
from core.ids import parse_id
from core.resources import Resources

handlers = Handlers()


@handlers.on("payment_method.detach")
async def detach_payment_method(event: Event, resources: Resources) -> None:
    await build_detachment(resources).go_on(parse_id("pm", event.data["id"]))
