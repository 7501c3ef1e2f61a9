"""What all tables of acme have in common."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Text
from sqlalchemy.orm import DeclarativeBase

from core.database import UtcDateTime, metadata


class Base(DeclarativeBase):
    metadata = metadata()
    type_annotation_map: ClassVar = {str: Text, datetime: UtcDateTime}
