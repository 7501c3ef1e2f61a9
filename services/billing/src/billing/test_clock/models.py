"""How far the business clock of a sandbox has been moved."""

from sqlalchemy import CheckConstraint, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from billing.tables import Base


class TestClock(Base):
    """The one row: seconds ahead of the system's clock, the same for every replica."""

    __tablename__ = "test_clock"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    offset_s: Mapped[int]
