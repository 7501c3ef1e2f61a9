"""What follows when the business clock is moved: its effect shows at once, not with the next run of the biller."""

from billing.test_clock.dependencies import build
from core.events import Event, Handlers
from core.resources import Resources

handlers = Handlers()


@handlers.on("test_clock.advanced")
async def bill_at_once(_event: Event, resources: Resources) -> None:
    await build(resources).catch_up()
