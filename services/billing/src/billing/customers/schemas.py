"""What a customer looks like on the wire."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from billing.customers.models import BalanceTransactionId, BalanceTransactionView, Customer, CustomerId, CustomerView
from billing.money import Money
from core.ids import TypeId
from core.web.pages import PageQuery

UserId = Annotated[UUID, TypeId("usr")]


class CustomerRead(BaseModel):
    """A user as a customer."""

    id: CustomerId
    user_id: UserId
    currency: str | None
    balance: Money | None = Field(
        description="What the next invoices use up; null until the first purchase settles the currency."
    )
    created_at: datetime

    @classmethod
    def of(cls, customer: Customer | CustomerView) -> Self:
        currency = customer.currency
        return cls(
            id=customer.id,
            user_id=customer.user_id,
            currency=currency,
            balance=Money(amount=customer.balance_minor, currency=currency) if currency else None,
            created_at=customer.created_at,
        )


class BalanceTransactionRead(BaseModel):
    """A change of a customer's balance: a positive one is in the customer's favour."""

    id: BalanceTransactionId
    kind: str = Field(description="What for, as the books name it.", examples=["credit_note_issued"])
    source: str = Field(description="The id of what caused it.")
    amount: Money
    balance: Money = Field(description="What the balance came to by it.")
    created_at: datetime

    @classmethod
    def of(cls, change: BalanceTransactionView) -> Self:
        return cls(
            id=change.id,
            kind=change.kind,
            source=change.source,
            amount=Money(amount=change.amount_minor, currency=change.currency),
            balance=Money(amount=change.balance_minor, currency=change.currency),
            created_at=change.created_at,
        )


class CustomerQuery(PageQuery):
    """Which customers to list."""

    user_id: UserId | None = Field(default=None, description="The customer that this user is.")


class CustomerFilter(PageQuery):
    """Whose things to list."""

    customer_id: CustomerId | None = Field(default=None, description="Nothing but what this customer has.")
