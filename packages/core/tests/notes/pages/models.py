"""The tables of pages, and of how many pages each folder has been given."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from core.database import UtcDateTime
from notes.tables import Base


class Page(Base):
    __tablename__ = "pages"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(unique=True)
    folder: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)

    # The order of the list.
    __table_args__ = (Index(None, "created_at", "id"),)
    # An UPDATE names the version it was made for, and counts it up.
    __mapper_args__: Any = {"version_id_col": version}  # noqa: RUF012 - as SQLAlchemy declares it


class Folder(Base):
    __tablename__ = "folders"

    name: Mapped[str] = mapped_column(primary_key=True)
    pages_made: Mapped[int]
