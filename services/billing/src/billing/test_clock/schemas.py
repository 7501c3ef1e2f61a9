"""What the business clock looks like on the wire."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from billing.biller.models import Backlog
from billing.clock import BusinessClock
from billing.subscriptions.schemas import InstantText


class ClockAdvance(BaseModel, extra="forbid"):
    """Where to move it."""

    to: InstantText = Field(description="Later than it is, and at most ten years ahead of the system's clock.")


class DueRead(BaseModel):
    """What waits for the biller."""

    subscriptions: int = Field(description="Whose period has ended, or whose first invoice was not paid in time.")
    invoices: int = Field(description="To be tried again.")


class ClockRead(BaseModel):
    """The business clock: what subscriptions, invoices and payments are dated by."""

    now: datetime
    offset_s: int = Field(description="Seconds ahead of the system's clock.")
    due: DueRead

    @classmethod
    def of(cls, clock: BusinessClock, backlog: Backlog) -> Self:
        due = DueRead(subscriptions=backlog.expiries + backlog.periods, invoices=backlog.retries)
        return cls(now=clock.now(), offset_s=int(clock.ahead.total_seconds()), due=due)
