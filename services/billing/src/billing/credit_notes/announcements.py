"""What is told about credit notes to other services."""

from billing.money import Money
from core.events import Announced, Announcements

announcements = Announcements()


@announcements.tells("credit_note.created")
class CreditNoteState(Announced):
    """What was taken back of an invoice, and where it went: off what was owed, to the balance, back to the payer."""

    id: str
    number: str
    invoice_id: str
    customer_id: str
    total: Money
    applied_amount: Money
    credit_amount: Money
    refund_amount: Money
