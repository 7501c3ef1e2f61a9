"""The table that reads and writes over HTTP are measured on, and how it is made."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import DateTime, insert
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from core.services import CHASSIS_TABLES

ROWS = 1_000
# Connections of every pool that is compared, and of the load.
POOL_SIZE = 16
CONNECTIONS = 16


class Base(DeclarativeBase):
    """The one table."""


class Row(Base):
    """One row."""

    __tablename__ = "rows"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    amount_minor: Mapped[int]
    created_at: Mapped[Annotated[datetime, mapped_column(DateTime(timezone=True))]]


class RowRead(BaseModel):
    """A row on the wire."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    amount_minor: int
    created_at: datetime


def row_id(number: int) -> UUID:
    """The id of one of the rows."""
    return UUID(int=number)


async def make_tables(url: str) -> None:
    """Creates the table with its rows, and those that core keeps in every database."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    async with engine.begin() as connection:
        for metadata in (Base.metadata, *CHASSIS_TABLES):
            await connection.run_sync(metadata.create_all)
        await connection.execute(
            insert(Row),
            [{"id": row_id(n), "name": f"row {n}", "amount_minor": n * 100, "created_at": now} for n in range(ROWS)],
        )
    await engine.dispose()
