"""The table of things."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from core.database import UtcDateTime
from example.tables import Base


class Thing(Base):
    """One thing."""

    __tablename__ = "things"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # How often the thing has been announced: each event once.
    announced: Mapped[int] = mapped_column(default=0)
