"""The table of claimed idempotency keys, in every service's own database."""

from sqlalchemy import Column, LargeBinary, SmallInteger, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB

from core.database import UtcDateTime, metadata

idempotency_metadata = metadata()

idempotency_keys = Table(
    "idempotency_keys",
    idempotency_metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("leased_until", UtcDateTime, nullable=False),
    Column("status", SmallInteger),
    Column("media_type", Text),
    Column("body", LargeBinary),
    # Pairs, because a name may come twice; those that are part of the answer: Location, ETag.
    Column("headers", JSONB),
    Column("created_at", UtcDateTime, nullable=False, server_default=func.now(), index=True),
)
