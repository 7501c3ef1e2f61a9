"""What is told about invoices to other services."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from billing.money import Money
from core.events import Announced, Announcements

announcements = Announcements()

# By what an invoice came to where it is; of a draft nobody is told.
ANNOUNCED_AS: Mapping[str, str] = MappingProxyType(
    {
        "open": "invoice.finalized",
        "paid": "invoice.paid",
        "void": "invoice.voided",
        "uncollectible": "invoice.uncollectible",
    }
)


@announcements.tells("invoice.finalized", "invoice.paid", "invoice.voided", "invoice.uncollectible")
class InvoiceState(Announced):
    """What is owed and what has come in, for whoever waits for the money; who buys what is told by its ids alone."""

    id: str
    number: str
    status: Literal["open", "paid", "void", "uncollectible"]
    customer_id: str
    subscription_id: str | None
    total: Money
    amount_due: Money
    amount_paid: Money
