"""What carries events from the service that announces them to those that handle them."""

from core.events.bus.local import LocalBus
from core.events.bus.opening import open_bus
from core.events.bus.protocol import Bus, BusUnavailable, Reader, Reading

__all__ = ["Bus", "BusUnavailable", "LocalBus", "Reader", "Reading", "open_bus"]
