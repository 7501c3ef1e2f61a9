"""Events: stored with the change that they announce, delivered until their handlers have succeeded."""

from core.events.backlog import Backlog
from core.events.event import Event
from core.events.handlers import Handlers, Subscription
from core.events.outbox import Events
from core.events.relay import Relay
from core.events.tables import events_metadata

__all__ = ["Backlog", "Event", "Events", "Handlers", "Relay", "Subscription", "events_metadata"]
