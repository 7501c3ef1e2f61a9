"""The bus between processes: NATS JetStream."""

from core.events.bus.nats.opening import open_nats

__all__ = ["open_nats"]
