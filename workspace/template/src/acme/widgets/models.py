"""The table of widgets."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from acme.tables import Base


class Widget(Base):
    __tablename__ = "widgets"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    # The `sub` of an access token: `usr_…` or `svc_…`.
    owner: Mapped[str]
    name: Mapped[str]
    note: Mapped[str | None]
    version: Mapped[int] = mapped_column()
    created_at: Mapped[datetime]

    # The order of an owner's list.
    __table_args__ = (Index(None, "owner", "created_at", "id"),)
    # An UPDATE names the version it was made for, and counts it up.
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - as SQLAlchemy has it
