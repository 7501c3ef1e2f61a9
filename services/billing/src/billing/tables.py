"""The tables of billing: one metadata, one page of a list, and the rows below a row."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Integer, Numeric, Select, Text, Uuid, bindparam, cast, func, tuple_
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, MappedAsDataclass

from core.database import UtcDateTime, metadata

Position = tuple[datetime, UUID]
_FIRST: Position = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))


# eq=False: a row is itself, also while it has no identity yet.
class Base(MappedAsDataclass, DeclarativeBase, kw_only=True, eq=False):
    """A table of billing."""

    metadata = metadata()
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it once, when a class is made
        str: Text,
        int: BigInteger,
        Decimal: Numeric,
        datetime: UtcDateTime,
        Mapping[str, Any]: JSONB,
    }


def one_page(rows: Select[Any], *, created_at: ColumnElement[datetime], id_: ColumnElement[UUID]) -> Select[Any]:
    """The page of `rows` that starts after a position, in the order that all lists have; see `page_of`."""
    after = tuple_(bindparam("after_at", type_=UtcDateTime), bindparam("after_id", type_=Uuid))
    return (
        rows.where(tuple_(created_at, id_) > after).order_by(created_at, id_).limit(bindparam("limit", type_=Integer))
    )


def page_of(after: Position | None, limit: int) -> dict[str, Any]:
    """The parameters of `one_page`."""
    after_at, after_id = after or _FIRST
    return {"after_at": after_at, "after_id": after_id, "limit": limit}


def as_json(*columns: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """One row as a JSON object; a decimal becomes text, because a JSON number would be read as a float."""
    pairs = [part for column in columns for part in (column.key, _exact(column))]
    return func.jsonb_build_object(*pairs, type_=JSONB)


def all_as_json(*columns: InstrumentedAttribute[Any], order_by: ColumnElement[Any]) -> ColumnElement[Any]:
    """Many rows as a JSON array, empty where there are none."""
    rows = func.jsonb_agg(aggregate_order_by(as_json(*columns), order_by))
    return func.coalesce(rows, func.jsonb_build_array(), type_=JSONB)


def _exact(column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    return cast(column, Text) if isinstance(column.type, Numeric) else column.expression
