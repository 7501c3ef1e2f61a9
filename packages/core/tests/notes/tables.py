"""The metadata of all tables of notes."""

from sqlalchemy.orm import DeclarativeBase

from core.database import metadata


class Base(DeclarativeBase):
    metadata = metadata()
