"""What is told about refunds to other services."""

from typing import Literal

from billing.money import Money
from core.events import Announced, Announcements

announcements = Announcements()


@announcements.tells("refund.processing", "refund.succeeded", "refund.failed")
class RefundState(Announced):
    """Money on its way back, for whoever tells its customer; `credit_note_id` is null where it was their balance."""

    id: str
    payment_id: str
    credit_note_id: str | None
    customer_id: str
    status: Literal["processing", "succeeded", "failed"]
    failure_code: str | None
    amount: Money
