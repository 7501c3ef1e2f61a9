"""Rows that are worked off by any number of replicas, in order where order counts."""

from core.events.queues.leases import Claimed, Leases
from core.events.queues.outcomes import recorded
from core.events.queues.queue import INBOX, OUTBOX, Queue

__all__ = ["INBOX", "OUTBOX", "Claimed", "Leases", "Queue", "recorded"]
