"""Pages of a list: an opaque cursor after the last row seen (AIP-158), which cannot be forged or carried elsewhere."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from core.database import Position
from core.errors import FieldError, Invalid

LIMIT_DEFAULT = 20
LIMIT_MAX = 100
_MAC_BYTES = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Microseconds since 1970 in eight bytes, then the id in sixteen.
_PAYLOAD_BYTES = 8 + 16

Item = TypeVar("Item", bound=BaseModel)
Row = TypeVar("Row")


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as beyond:
        raise ValueError("in UTC, this is no year of the calendar") from beyond


# A time with its offset, as a filter takes it; the same instant is the same filter however it is written.
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]


def _at_most(limit: int) -> int:
    """More than the most is coerced, not refused: the client gets a full page and a cursor."""
    return min(limit, LIMIT_MAX)


def _bracketed(name: str) -> str:
    """`created_at_gte` as a caller writes it: `created_at[gte]`."""
    return re.sub(r"_(gt|gte|lt|lte)$", r"[\1]", name)


class PageQuery(BaseModel, extra="forbid", alias_generator=_bracketed):
    """The query parameters of a list; one with filters extends it: `created_at_gte: Instant` is `created_at[gte]`."""

    limit: Annotated[int, Field(ge=1, description=f"Rows a page, {LIMIT_MAX} at most."), AfterValidator(_at_most)] = (
        LIMIT_DEFAULT
    )
    cursor: Annotated[str | None, Field(max_length=200, description="`next_cursor` of the page before.")] = None

    def filters(self) -> dict[str, Any]:
        """The filters that the request has, each under the name of its field."""
        names = type(self).model_fields.keys() - PageQuery.model_fields.keys()
        return {name: value for name in sorted(names) if (value := getattr(self, name)) is not None}


class PageOf(BaseModel, Generic[Item]):
    """One page of a list."""

    data: list[Item]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """What a list was asked for: how many rows, and after which one.

    `key` signs cursors; `binding` names the list and its filters.
    """

    limit: int
    after: Position | None
    key: bytes
    binding: str

    def of(
        self, rows: Sequence[Row], *, item: Callable[[Row], Item], position: Callable[[Row], Position]
    ) -> PageOf[Item]:
        """The page of `rows`, of which the repository fetched `limit + 1`, so as to know whether there are more."""
        shown = rows[: self.limit]
        more = len(rows) > self.limit
        cursor = encode_cursor(position(shown[-1]), key=self.key, binding=self.binding) if more else None
        return PageOf(data=[item(row) for row in shown], next_cursor=cursor)


class InvalidCursor(Invalid):
    """The cursor is none that this list gave out."""

    code = "invalid_cursor"


def encode_cursor(position: Position, *, key: bytes, binding: str) -> str:
    """A cursor after `position` (created_at, id) of the list that `binding` names."""
    at, row_id = position
    payload = ((at - _EPOCH) // _MICROSECOND).to_bytes(8) + row_id.bytes
    return base64.urlsafe_b64encode(payload + _mac(payload, key=key, binding=binding)).decode().rstrip("=")


def decode_cursor(cursor: str, *, key: bytes, binding: str) -> Position:
    """The position that a cursor stands for.

    Raises:
        InvalidCursor: it was changed, or given out by another list or for other filters.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if len(payload) != _PAYLOAD_BYTES or not hmac.compare_digest(mac, _mac(payload, key=key, binding=binding)):
        raise InvalidCursor(errors=(FieldError("#/query/cursor", InvalidCursor.code, InvalidCursor.title()),))
    return _EPOCH + int.from_bytes(payload[:8]) * _MICROSECOND, UUID(bytes=payload[8:])


def _mac(payload: bytes, *, key: bytes, binding: str) -> bytes:
    return hmac.digest(key, binding.encode() + b"\0" + payload, hashlib.sha256)[:_MAC_BYTES]
