"""An event on the wire: CloudEvents 1.0 in its JSON format, with the extensions `sequence` and `traceparent`."""

import re
from datetime import UTC
from typing import Any, Literal
from uuid import UUID

import orjson
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from core.events.event import SEQUENCE_MAX, SUBJECT_LENGTH_MAX, Event

# NATS Protocol Binding for CloudEvents, structured content mode.
CONTENT_TYPE = "application/cloudevents+json"
# Those of the largest one, so that sequences order as strings do.
SEQUENCE_DIGITS = 19
# The one character that PostgreSQL does not store, after an even number of backslashes.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class NotAnEvent(ValueError):
    """The bytes are no CloudEvent that a service of ours tells; the text says why, and quotes nothing of them."""


class _Told(BaseModel):
    """The attributes that we need; others may be there."""

    specversion: Literal["1.0"]
    id: UUID
    source: str
    type: str
    subject: str = Field(max_length=SUBJECT_LENGTH_MAX)
    time: AwareDatetime
    data: dict[str, Any]
    sequence: int = Field(default=0, ge=0, le=SEQUENCE_MAX)
    traceparent: str | None = None


def encode(event: Event) -> bytes:
    """The event in structured mode."""
    told = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "datacontenttype": "application/json",
        "data": dict(event.data),
    }
    if event.sequence:
        told["sequence"] = f"{event.sequence:0{SEQUENCE_DIGITS}}"
    if event.traceparent is not None:
        told["traceparent"] = event.traceparent
    return orjson.dumps(told, option=orjson.OPT_UTC_Z)


def decode(content: bytes) -> Event:
    """The event that was encoded.

    Raises:
        NotAnEvent: it is none, or one that no database of ours can store.
    """
    if _NUL.search(content):
        raise NotAnEvent("it holds the character NUL")
    try:
        told = _Told.model_validate(orjson.loads(content))
        time = told.time.astimezone(UTC)
        # It may be nested more deeply than can be written.
        orjson.dumps(told.data)
    except ValidationError as wrong:
        raise NotAnEvent(
            "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in wrong.errors())
        ) from None
    except (ValueError, TypeError, OverflowError) as wrong:
        raise NotAnEvent(type(wrong).__name__) from None
    return Event(
        id=told.id,
        type=told.type,
        source=told.source,
        subject=told.subject,
        sequence=told.sequence,
        time=time,
        data=told.data,
        traceparent=told.traceparent,
    )
