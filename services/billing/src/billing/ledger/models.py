"""How the books are stored and read; triggers keep every transaction balanced and unchanged."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from billing.tables import Base
from core.ids import TypeId

TransactionId = Annotated[UUID, TypeId("ltx")]


class LedgerTransaction(Base):
    """One posting; `kind` and `source` name what it books, and each is booked once."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        UniqueConstraint("kind", "source"),
        Index(None, "created_at", "id"),
        Index(None, "kind", "created_at", "id"),
        Index(None, "source"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    source: Mapped[str]
    created_at: Mapped[datetime]


class LedgerEntry(Base):
    """One side of a posting: a debit is positive, a credit negative."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint("amount_minor <> 0", name="amount"),
        Index(None, "account", "currency"),
        Index(None, "customer_id", "account"),
    )

    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("ledger_transactions.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str]
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id"))
    amount_minor: Mapped[int]
    currency: Mapped[str]


class EntryView(BaseModel):
    """An entry as it is read with its transaction."""

    account: str
    customer_id: UUID | None
    amount_minor: int
    currency: str


class TransactionView(BaseModel):
    """A transaction with its entries."""

    id: UUID
    kind: str
    source: str
    entries: list[EntryView]
    created_at: datetime


class BalanceView(BaseModel):
    """What the entries of an account amount to, in one currency."""

    account: str
    currency: str
    amount_minor: int
