"""The table of things."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from core.database import UtcDateTime
from example.tables import Base


class Thing(Base):
    """One thing."""

    __tablename__ = "things"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    note: Mapped[str | None]
    # One more with each change that callers see; an UPDATE names the one it was made for.
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # How often the thing has been announced: each event once.
    announced: Mapped[int] = mapped_column(default=0)

    __mapper_args__: Any = {"version_id_col": version}  # noqa: RUF012 - as SQLAlchemy declares it
