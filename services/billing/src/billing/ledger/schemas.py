"""What the books look like on the wire."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field, StrictInt

from billing.customers.models import CustomerId
from billing.ledger.models import BalanceView, EntryView, TransactionId, TransactionView
from billing.ledger.rules import Account
from billing.money import Money
from core.web.pages import PageQuery
from core.web.text import Line


class TransactionFilter(PageQuery):
    """Which transactions to list."""

    kind: Line | None = Field(default=None, description="What they book, such as `payment_succeeded`.")
    source: Line | None = Field(default=None, description="The id of what they book.")
    customer_id: CustomerId | None = Field(default=None, description="Whose accounts they change.")


class EntryRead(BaseModel):
    """One side of a transaction: a debit is positive, a credit negative."""

    account: Account
    customer_id: CustomerId | None
    amount: Money

    @classmethod
    def of(cls, entry: EntryView) -> Self:
        amount = Money(amount=entry.amount_minor, currency=entry.currency)
        return cls(account=Account(entry.account), customer_id=entry.customer_id, amount=amount)


class TransactionRead(BaseModel):
    """A transaction; its entries sum to zero in each currency."""

    id: TransactionId
    kind: str
    source: str
    entries: list[EntryRead]
    created_at: datetime

    @classmethod
    def of(cls, transaction: TransactionView) -> Self:
        entries = [EntryRead.of(entry) for entry in transaction.entries]
        return cls(
            id=transaction.id,
            kind=transaction.kind,
            source=transaction.source,
            entries=entries,
            created_at=transaction.created_at,
        )


class Sum(Money, frozen=True, extra="forbid"):
    """What many amounts come to, which may be more than one amount can."""

    amount: StrictInt = Field(description="Minor units.")


class AccountRead(BaseModel):
    """An account in one currency, with what its entries amount to."""

    account: Account
    balance: Sum

    @classmethod
    def of(cls, balance: BalanceView) -> Self:
        amount = Sum(amount=balance.amount_minor, currency=balance.currency)
        return cls(account=Account(balance.account), balance=amount)
