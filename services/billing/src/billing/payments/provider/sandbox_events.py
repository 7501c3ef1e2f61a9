"""What the sandbox tells by itself: the shape of its events, written and read."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr, ValidationError

from billing.money import AMOUNT_MAX
from billing.payments.provider.port import News, NewsStatus, WebhookMalformed
from core.ids import TypeId, format_id, new_id

# As `<kind>.<status>`; any other type says nothing that billing asks for.
_OF_CHARGES: Mapping[str, NewsStatus] = {
    "charge.processing": "processing",
    "charge.requires_action": "requires_action",
    "charge.failed": "failed",
    "charge.succeeded": "succeeded",
}
_OF_REFUNDS: Mapping[str, NewsStatus] = {
    "refund.processing": "processing",
    "refund.failed": "failed",
    "refund.succeeded": "succeeded",
}
# The end of the year 9999, after which there is no date.
_UNIX_TIME_MAX = 253_402_300_799

Code = Annotated[StrictStr, Field(pattern=r"^[a-z0-9_]{1,100}$")]


class Charged(BaseModel):
    """A charge, by the id of its payment."""

    id: Annotated[UUID, TypeId("pay")]
    code: Code | None = None
    retryable: StrictBool = True
    fee: Annotated[StrictInt, Field(ge=0, le=AMOUNT_MAX)] = 0


class GivenBack(BaseModel):
    """A refund."""

    id: Annotated[UUID, TypeId("rfd")]
    code: Code | None = None


class SandboxEvent(BaseModel):
    """An event as it is sent; what it says beyond this is not looked at, because a provider may add to it."""

    id: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
    type: Annotated[StrictStr, Field(pattern=r"^[a-z0-9_.]{1,100}$")]
    created: Annotated[StrictInt, Field(ge=0, le=_UNIX_TIME_MAX)]
    data: Mapping[str, Any] = {}


def written(kind: Literal["charge", "refund"], status: str, data: Charged | GivenBack, *, at: datetime) -> bytes:
    """The body of an event that is told for the first time."""
    event = SandboxEvent(
        id=format_id("evt", new_id()),
        type=f"{kind}.{'processing' if status == 'unknown' else status}",
        created=int(at.timestamp()),
        data=data.model_dump(mode="json", exclude_none=True),
    )
    return event.model_dump_json().encode()


def read(raw: bytes) -> News:
    """What a body tells.

    Raises:
        WebhookMalformed: it is no event.
    """
    try:
        return _news(SandboxEvent.model_validate_json(raw))
    except ValidationError:
        # Without what pydantic says of it: that holds the body.
        raise WebhookMalformed from None


def _news(event: SandboxEvent) -> News:
    occurred_at = datetime.fromtimestamp(event.created, UTC)
    if event.type in _OF_CHARGES:
        charged = Charged.model_validate(event.data)
        return News(
            event_id=event.id,
            type=event.type,
            subject=format_id("pay", charged.id),
            status=_OF_CHARGES[event.type],
            code=charged.code,
            retryable=charged.retryable,
            fee_minor=charged.fee,
            occurred_at=occurred_at,
        )
    if event.type in _OF_REFUNDS:
        back = GivenBack.model_validate(event.data)
        return News(
            event_id=event.id,
            type=event.type,
            subject=format_id("rfd", back.id),
            status=_OF_REFUNDS[event.type],
            code=back.code,
            occurred_at=occurred_at,
        )
    return News(event_id=event.id, type=event.type, occurred_at=occurred_at)
