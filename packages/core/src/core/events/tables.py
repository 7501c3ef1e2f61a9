"""The tables of events, in every service's own database."""

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB

from core.database import UtcDateTime, metadata

events_metadata = metadata()

outbox = Table(
    "outbox",
    events_metadata,
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("id", Uuid, nullable=False, unique=True),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("time", UtcDateTime, nullable=False),
    Column("data", JSONB, nullable=False),
    # The trace of the request that announced it (W3C Trace Context), which its delivery continues.
    Column("traceparent", Text),
    Column("due_at", UtcDateTime, nullable=False, server_default=func.now()),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("leased_until", UtcDateTime),
    Column("sent_at", UtcDateTime),
    Column("dead_at", UtcDateTime),
    Column("last_error", Text),
    # Small whatever the table's size: only what is still to be sent.
    Index("ix_outbox_unsent", "position", postgresql_where=text("sent_at IS NULL")),
    Index("ix_outbox_unsent_subject", "subject", "position", postgresql_where=text("sent_at IS NULL")),
)

inbox = Table(
    "inbox",
    events_metadata,
    Column("consumer", Text, primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("handled_at", UtcDateTime, nullable=False, server_default=func.now()),
)
