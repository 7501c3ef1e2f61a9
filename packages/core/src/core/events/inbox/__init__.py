"""What a service handles: stored when it arrives, and handled when its turn comes."""

from core.events.inbox.dispatcher import Dispatcher
from core.events.inbox.receiving import Inbox

__all__ = ["Dispatcher", "Inbox"]
