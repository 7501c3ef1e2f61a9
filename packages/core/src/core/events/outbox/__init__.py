"""What a service announces: written with its change, and published when that is committed."""

from core.events.outbox.relay import Relay
from core.events.outbox.writing import Events, Outbox

__all__ = ["Events", "Outbox", "Relay"]
