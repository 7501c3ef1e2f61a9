"""The tables of events, in every service's own database."""

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text, UniqueConstraint, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB

from core.database import UtcDateTime, metadata

events_metadata = metadata()


def _told() -> list[Column]:
    """What an event says."""
    return [
        Column("type", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("sequence", BigInteger, nullable=False),
        Column("time", UtcDateTime, nullable=False),
        Column("data", JSONB, nullable=False),
        # The trace of the request that announced it (W3C Trace Context), which its handling continues.
        Column("traceparent", Text),
    ]


def _turn() -> list[Column]:
    """Whose turn it is, and how it went so far."""
    return [
        Column("due_at", UtcDateTime, nullable=False, server_default=func.now()),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("leased_until", UtcDateTime),
        Column("dead_at", UtcDateTime),
        Column("last_error", Text),
    ]


outbox = Table(
    "outbox",
    events_metadata,
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("id", Uuid, nullable=False, unique=True),
    *_told(),
    *_turn(),
    Column("sent_at", UtcDateTime),
    # Small whatever the table's size: only what is still to be sent, what is given up, and what may be forgotten.
    Index("ix_outbox_unsent", "position", postgresql_where=text("sent_at IS NULL AND dead_at IS NULL")),
    Index("ix_outbox_unsent_subject", "subject", "position", postgresql_where=text("sent_at IS NULL")),
    Index(
        "ix_outbox_claimed", "position", postgresql_where=text("sent_at IS NULL AND dead_at IS NULL AND attempts > 0")
    ),
    Index("ix_outbox_dead", "position", postgresql_where=text("dead_at IS NOT NULL")),
    Index("ix_outbox_sent", "sent_at", postgresql_where=text("sent_at IS NOT NULL")),
)

# An event has a row for each handler that it concerns: one that fails repeats nothing of the others.
inbox = Table(
    "inbox",
    events_metadata,
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("consumer", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("source", Text, nullable=False),
    *_told(),
    Column("received_at", UtcDateTime, nullable=False, server_default=func.now()),
    *_turn(),
    Column("handled_at", UtcDateTime),
    UniqueConstraint("event_id", "consumer"),
    Index("ix_inbox_unhandled", "position", postgresql_where=text("handled_at IS NULL AND dead_at IS NULL")),
    Index("ix_inbox_unhandled_subject", "consumer", "subject", "position", postgresql_where=text("handled_at IS NULL")),
    Index(
        "ix_inbox_claimed", "position", postgresql_where=text("handled_at IS NULL AND dead_at IS NULL AND attempts > 0")
    ),
    Index("ix_inbox_dead", "position", postgresql_where=text("dead_at IS NOT NULL")),
    Index("ix_inbox_handled", "handled_at", postgresql_where=text("handled_at IS NOT NULL")),
)

# How far each handler has come with each subject; kept when the inbox is forgotten.
inbox_sequences = Table(
    "inbox_sequences",
    events_metadata,
    Column("consumer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)

# How far a stream of a bus has been read into the inbox, and which replica reads it now.
bus_positions = Table(
    "bus_positions",
    events_metadata,
    Column("stream", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("reader", Uuid),
    Column("leased_until", UtcDateTime),
)
