"""The metadata that every table of the example belongs to."""

from sqlalchemy.orm import DeclarativeBase

from core.database import metadata


class Base(DeclarativeBase):
    """The base of the example's models."""

    metadata = metadata()
