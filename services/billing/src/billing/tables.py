"""The tables of billing: one metadata, and the rows below a row."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import BigInteger, ColumnElement, Numeric, Select, Text, cast, func
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, MappedAsDataclass
from sqlalchemy.sql.selectable import ForUpdateArg

from core.database import UtcDateTime, metadata

# FOR NO KEY UPDATE: nobody else changes the row, while rows that refer to it may still come.
LOCKED = ForUpdateArg(key_share=True)
Rows = Select[*tuple[Any, ...]]
KindT = TypeVar("KindT", bound="Base")


# eq=False: a row is itself, also while it has no identity yet.
class Base(MappedAsDataclass, DeclarativeBase, kw_only=True, eq=False):
    """A table of billing."""

    metadata = metadata()
    type_annotation_map: ClassVar = {
        str: Text,
        int: BigInteger,
        Decimal: Numeric,
        datetime: UtcDateTime,
        Mapping[str, Any]: JSONB,
    }


def columns(kind: type[Base], view: type[BaseModel]) -> list[InstrumentedAttribute[Any]]:
    """The columns of `kind` that are fields of `view`."""
    return [getattr(kind, name) for name in view.model_fields if name in kind.__table__.c]


def as_json(kind: type[Base], view: type[BaseModel]) -> ColumnElement[Any]:
    """One row as a JSON object that `view` reads; a decimal is text, because a JSON number would be read as a float."""
    pairs = [part for column in columns(kind, view) for part in (column.key, _exact(column))]
    return func.jsonb_build_object(*pairs, type_=JSONB)


def all_as_json(kind: type[Base], view: type[BaseModel], *, order_by: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Many rows as a JSON array of such objects, empty where there are none."""
    rows = func.jsonb_agg(aggregate_order_by(as_json(kind, view), order_by))
    return func.coalesce(rows, func.jsonb_build_array(), type_=JSONB)


def following(
    rows: Select[KindT], key: InstrumentedAttribute[UUID], *, after: UUID | None, limit: int
) -> Select[KindT]:
    """The next of these rows in the order of their ids; nobody changes them until the transaction ends."""
    page = rows.order_by(key).limit(limit).with_for_update(read=True)
    return page if after is None else page.where(key > after)


def _exact(column: InstrumentedAttribute[Any]) -> Any:
    return cast(column, Text) if isinstance(column.type, Numeric) else column
