"""The metadata of tea."""

from sqlalchemy.orm import DeclarativeBase

from core.database import metadata


class Base(DeclarativeBase):
    """The base of tea's models."""

    metadata = metadata()
