"""What follows when a page was made."""

from core.dependencies import Session
from core.events import Event, Handlers
from core.resources import Resources
from notes.pages.dependencies import build

handlers = Handlers()


@handlers.once("page.made")
async def count_page(event: Event, session: Session, resources: Resources) -> None:
    if (folder := event.data["folder"]) is not None:
        await build(session, resources).count(folder)
