"""What acme does for widgets after the answer: what may take longer than a request."""

from datetime import datetime

from acme.widgets.dependencies import build
from core.dependencies import Session
from core.events import Event, Handlers
from core.resources import Resources

handlers = Handlers()


@handlers.once("widget.clear")
async def clear_widgets(event: Event, session: Session, resources: Resources) -> None:
    widgets = build(session, resources, owner=event.data["owner"])
    await widgets.remove_some(until=datetime.fromisoformat(event.data["until"]))
