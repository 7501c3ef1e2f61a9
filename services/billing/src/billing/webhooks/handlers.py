"""What is done about what the provider has told, after it was answered."""

from billing.webhooks.dependencies import build_application
from core.dependencies import Session
from core.events import Event, Handlers
from core.resources import Resources

handlers = Handlers()


@handlers.once("provider_event.received")
async def apply_provider_event(event: Event, session: Session, resources: Resources) -> None:
    await build_application(session, resources).apply(event.data["provider"], event.data["event_id"])
