"""One page of a list: the rows after a position, in the order of their making or, newest first, the other way round."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, Uuid, bindparam, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from core.database.columns import UtcDateTime

Position = tuple[datetime, UUID]
_BEFORE_ALL: Position = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
_AFTER_ALL: Position = (datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))


def paged(
    rows: Select[*tuple[Any, ...]],
    created_at: InstrumentedAttribute[datetime],
    row_id: InstrumentedAttribute[UUID],
    *,
    newest_first: bool = False,
) -> Select[*tuple[Any, ...]]:
    """`rows` from a position on, which these two columns tell; `page_parameters` says which position.

    An index on both serves it: PostgreSQL compares the pair as a whole.
    """
    after = tuple_(bindparam("after_at", type_=UtcDateTime), bindparam("after_id", type_=Uuid))
    place = tuple_(created_at, row_id)
    if newest_first:
        following = rows.where(place < after).order_by(created_at.desc(), row_id.desc())
    else:
        following = rows.where(place > after).order_by(created_at, row_id)
    return following.limit(bindparam("rows_max", type_=Integer))


def page_parameters(after: Position | None, limit: int, *, newest_first: bool = False) -> dict[str, Any]:
    """The parameters of what `paged` made: one row more than `limit`, which tells whether there is another page."""
    after_at, after_id = after or (_AFTER_ALL if newest_first else _BEFORE_ALL)
    return {"after_at": after_at, "after_id": after_id, "rows_max": limit + 1}
