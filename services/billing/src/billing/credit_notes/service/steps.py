"""The steps in which a credit note is issued: its refund asks the provider, which cannot be rolled back.

1. The credit note is issued with its refund as `processing`, and committed: from then on it is a document. 2. and 3.
are those of the refund. A retry of the request goes on where a process has died.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from billing.credit_notes.models import CreditNoteView
from billing.credit_notes.service.notes import CreditNotes
from billing.credit_notes.service.orders import Order
from billing.refunds.service import Refunding

Begin = Callable[[], AbstractAsyncContextManager[CreditNotes]]


@dataclass(frozen=True, slots=True)
class Crediting:
    """The steps, for a request: `begin` opens a transaction of its own, `notes` is that of the request."""

    begin: Begin
    refunding: Refunding
    notes: CreditNotes

    async def issue(self, order: Order, *, request_key: UUID) -> CreditNoteView:
        """Issues a credit note.

        Raises:
            what `CreditNotes.issue` raises.
        """
        async with self.begin() as notes:
            note, refund = await notes.issue(order, request_key=request_key)
        if refund is not None:
            await self.refunding.give_back(refund)
        return await self.notes.view(note.id)
