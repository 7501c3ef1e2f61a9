"""What is due, as the biller reads it."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel


class Kind(StrEnum):
    """What the biller looks for, in the order in which it does."""

    # First invoices that nobody has paid.
    EXPIRIES = "expiries"
    # Invoices to be tried again: who pays is billed in the same run for what was left out.
    RETRIES = "retries"
    # Periods that have ended.
    PERIODS = "periods"


class Due(BaseModel):
    """A subscription, or for a retry an invoice, whose time has come."""

    id: UUID
    customer_id: UUID
    # The column that it is found by.
    due_at: datetime


class Backlog(BaseModel):
    """How many of each kind wait, and the longest of them for how many seconds."""

    expiries: int
    retries: int
    periods: int
    oldest_s: float
