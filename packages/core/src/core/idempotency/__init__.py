"""Requests that may be sent twice and take effect once."""

from core.idempotency.claims import Answer, Claim, Claims, IdempotencyInFlight, IdempotencyKeyReused, Ticket
from core.idempotency.tables import idempotency_metadata

__all__ = [
    "Answer",
    "Claim",
    "Claims",
    "IdempotencyInFlight",
    "IdempotencyKeyReused",
    "Ticket",
    "idempotency_metadata",
]
