"""The metadata of coffee."""

from sqlalchemy.orm import DeclarativeBase

from core.database import metadata


class Base(DeclarativeBase):
    """The base of coffee's models."""

    metadata = metadata()
