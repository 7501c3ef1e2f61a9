"""What is read of credit notes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.credit_notes.models import CreditNoteView
from billing.credit_notes.repository import CreditNoteQueries
from billing.credit_notes.service.notes import CreditNoteNotFound


@dataclass(frozen=True, slots=True)
class CreditNoteViews:
    """Credit notes as they are read, by whoever the filters let read them."""

    queries: CreditNoteQueries

    async def one(self, credit_note_id: UUID, filters: Mapping[str, UUID]) -> CreditNoteView:
        """One credit note.

        Raises:
            CreditNoteNotFound: there is no such credit note among those.
        """
        note = await self.queries.one(credit_note_id, filters)
        if note is None:
            raise CreditNoteNotFound
        return note

    async def page(
        self, filters: Mapping[str, UUID], *, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[CreditNoteView]:
        return await self.queries.page(filters, after, limit)
