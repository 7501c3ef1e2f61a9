"""What happened, as CloudEvents 1.0 describes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact; `data` is the state after the change, and holds no secret.

    `subject` is what it is about; order holds per subject. `sequence` is the version of the aggregate, by which a
    consumer knows an event that it has already passed.
    """

    id: UUID
    type: str
    source: str
    subject: str
    sequence: int
    time: datetime
    data: Mapping[str, Any]
