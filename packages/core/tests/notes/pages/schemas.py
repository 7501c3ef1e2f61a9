"""The shapes of pages on the wire."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from core.ids import TypeId
from core.web.pages import PageQuery
from core.web.patches import MergePatch
from core.web.text import Line
from notes.pages.models import Page
from notes.pages.repository import PageRow

PageId = Annotated[UUID, TypeId("pge")]
Title = Annotated[Line, Field(min_length=1, max_length=100)]
FolderName = Annotated[Line, Field(min_length=1, max_length=50)]


class PageCreate(BaseModel, extra="forbid"):
    title: Title
    folder: FolderName | None = None


class PagePatch(MergePatch):
    """What to change; a folder can be removed, a title cannot."""

    title: Title
    folder: FolderName | None


class PagesQuery(PageQuery):
    """Which pages to list."""

    folder: FolderName | None = None


class PageRead(BaseModel, from_attributes=True):
    id: PageId
    title: str
    folder: str | None
    version: int
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, page: Page | PageRow) -> Self:
        return cls.model_validate(page)


class TitleRead(BaseModel):
    title: str
