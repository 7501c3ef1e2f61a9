"""Events: stored with the change that they announce, carried by a bus, handled once by each service they concern."""

from core.events.catalogue import Catalogue
from core.events.declarations.announcements import Announced, Announcements, UndeclaredEvent
from core.events.declarations.handlers import Handlers, Subscription
from core.events.declarations.replays import Replay, Replays
from core.events.event import Event
from core.events.inbox import Dispatcher, Inbox
from core.events.outbox import Events, Outbox, Relay
from core.events.tables import events_metadata
from core.events.upkeep.backlog import Backlog
from core.events.upkeep.retention import Retention

__all__ = [
    "Announced",
    "Announcements",
    "Backlog",
    "Catalogue",
    "Dispatcher",
    "Event",
    "Events",
    "Handlers",
    "Inbox",
    "Outbox",
    "Relay",
    "Replay",
    "Replays",
    "Retention",
    "Subscription",
    "UndeclaredEvent",
    "events_metadata",
]
