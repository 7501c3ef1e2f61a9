"""What is told about payments to other services."""

from typing import Literal

from billing.money import Money
from core.events import Announced, Announcements

announcements = Announcements()


@announcements.tells("payment.processing", "payment.succeeded", "payment.failed", "payment.requires_action")
class PaymentState(Announced):
    """An attempt to collect an invoice, for whoever tells its customer what to do; nothing of the card is told."""

    id: str
    invoice_id: str
    status: Literal["processing", "succeeded", "failed", "requires_action"]
    decline_code: str | None
    amount: Money
