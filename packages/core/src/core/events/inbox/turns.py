"""Which replica reads a stream of the bus into the inbox: one at a time, by the database's clock."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Interval, Text, Uuid, bindparam, case, func, literal_column, or_, update
from sqlalchemy.dialects.postgresql import insert

from core.database import Database, UtcDateTime
from core.events.bus.protocol import TURN, Turn
from core.events.tables import bus_positions

_STREAM, _BY = bindparam("name", type_=Text), bindparam("by", type_=Uuid)
_TURN = bindparam("turn", type_=Interval)
_row = insert(bus_positions).values(stream=_STREAM, position=0, reader=_BY, leased_until=func.now() + _TURN)
# As it was before; of a turn that ended `leased_until` is when it was taken.
_before_until = literal_column("old.leased_until", UtcDateTime())
_before_reader = literal_column("old.reader", Uuid())
_TAKE = _row.on_conflict_do_update(
    index_elements=["stream"],
    set_={"reader": _row.excluded.reader, "leased_until": _row.excluded.leased_until},
    where=or_(
        bus_positions.c.reader.is_(None),
        bus_positions.c.reader == _row.excluded.reader,
        bus_positions.c.leased_until < func.now(),
    ),
).returning(
    bus_positions.c.position,
    case((_before_reader.is_(None), _before_until), else_=_before_until - _TURN).label("last_at"),
)
_END = (
    update(bus_positions)
    .where(bus_positions.c.stream == _STREAM, bus_positions.c.reader == _BY)
    .values(reader=None, leased_until=bus_positions.c.leased_until - _TURN)
)


async def take_turn(database: Database, stream: str, by: UUID) -> Turn | None:
    """See `Reader.take_turn`."""
    async with database.statement() as connection:
        row = (await connection.execute(_TAKE, {"name": stream, "by": by, "turn": TURN})).one_or_none()
    last_at: datetime | None = row.last_at if row else None
    return Turn(row.position, last_at) if row else None


async def end_turn(database: Database, stream: str, by: UUID) -> None:
    """See `Reader.end_turn`."""
    async with database.statement() as connection:
        await connection.execute(_END, {"name": stream, "by": by, "turn": TURN})
