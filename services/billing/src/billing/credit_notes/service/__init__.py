"""What is done to correct a finalized invoice."""

from billing.credit_notes.service.notes import CreditNoteNotFound, CreditNotes
from billing.credit_notes.service.orders import Order
from billing.credit_notes.service.steps import Crediting
from billing.credit_notes.service.views import CreditNoteViews

__all__ = ["CreditNoteNotFound", "CreditNoteViews", "CreditNotes", "Crediting", "Order"]
