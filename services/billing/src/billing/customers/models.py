"""How customers and what they have in credit are stored."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.tables import Base
from core.ids import TypeId

CustomerId = Annotated[UUID, TypeId("cus")]
BalanceTransactionId = Annotated[UUID, TypeId("cbt")]


class Customer(Base):
    __tablename__ = "customers"
    __table_args__ = (CheckConstraint("balance_minor >= 0", name="balance"), Index(None, "created_at", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    # The `sub` of the access tokens: users' own database holds who that is.
    user_id: Mapped[UUID] = mapped_column(unique=True)
    # Set by the first purchase: one customer's books are in one currency.
    currency: Mapped[str | None]
    # What we owe the customer, which the next invoices use up: the sum of the balance transactions.
    balance_minor: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    sequence: Mapped[int]
    created_at: Mapped[datetime]
    # Since when nothing is sold any more, and since when no more is kept than the law asks for. The row stays: it keeps
    # a user who is gone from becoming a customer anew.
    closing_at: Mapped[datetime | None] = mapped_column(default=None)
    closed_at: Mapped[datetime | None] = mapped_column(default=None)


class BalanceTransaction(Base):
    """One change of a customer's balance, never changed: a positive one is in the customer's favour."""

    __tablename__ = "balance_transactions"
    __table_args__ = (
        CheckConstraint("amount_minor <> 0", name="amount"),
        UniqueConstraint("kind", "source"),
        Index(None, "customer_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    # What for: a kind of the ledger, and the id of what caused it as it is on the wire.
    kind: Mapped[str]
    source: Mapped[str]
    amount_minor: Mapped[int]
    # What the balance came to by it.
    balance_minor: Mapped[int]
    currency: Mapped[str]
    created_at: Mapped[datetime]


class BalanceTransactionView(BaseModel):
    """A change of a customer's balance as it is read."""

    id: UUID
    kind: str
    source: str
    amount_minor: int
    balance_minor: int
    currency: str
    created_at: datetime


class CustomerView(BaseModel):
    """A customer as they are read."""

    id: UUID
    user_id: UUID
    currency: str | None
    balance_minor: int
    created_at: datetime
