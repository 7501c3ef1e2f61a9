"""How news of the provider is stored: what it means, and nothing else that it says."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from billing.tables import Base


class ProviderEvent(Base):
    """One event of the provider, stored once however often it comes."""

    __tablename__ = "provider_events"

    provider: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    # The payment or refund it is about, as it is on the wire; None: nothing that concerns us.
    subject: Mapped[str | None]
    status: Mapped[str | None]
    code: Mapped[str | None]
    retryable: Mapped[bool]
    fee_minor: Mapped[int]
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(index=True)
    applied_at: Mapped[datetime | None]
