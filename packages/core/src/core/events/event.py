"""What happened, as CloudEvents 1.0 describes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

# In characters: what every index that holds a subject has room for.
SUBJECT_LENGTH_MAX = 255
# PostgreSQL's bigint.
SEQUENCE_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact; `data` is the state after the change, and holds no secret.

    `source` is the service that announces it, `subject` what it is about; order holds per subject. `sequence` is the
    version of the subject, by which a consumer knows an event that it has already passed; 0 has no order.
    `traceparent` is the trace of the request that announced it (W3C Trace Context), which its handling continues.
    """

    id: UUID
    type: str
    source: str
    subject: str
    sequence: int
    time: datetime
    data: Mapping[str, Any]
    traceparent: str | None = None
