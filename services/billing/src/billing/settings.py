"""What billing can be told beyond what every service can."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from core.settings import Group, ServiceSettings, TokenSettings, Values, merged


class SellerSettings(Group):
    """Who sells: copied onto every invoice when it is finalized."""

    name: str = Field(min_length=1, max_length=200, description="The seller on invoices.")
    address: str = Field(min_length=1, max_length=500, description="The seller's address.")
    country: str = Field(pattern=r"^[A-Z]{2}$", description="The seller's country (ISO 3166-1 alpha-2).")
    tax_id: str | None = Field(default=None, min_length=1, max_length=50, description="The seller's VAT number.")


class Settings(ServiceSettings, env_prefix="BILLING_"):
    """The settings of billing."""

    tokens: TokenSettings = Field(
        default=TokenSettings(issued_by="users"), description="Whose access tokens are believed."
    )
    provider: Literal["sandbox"] = Field(description="Who moves the money; the sandbox moves none.")
    seller: SellerSettings = Field(description="Who sells.")
    invoice_series: str = Field(
        default="INV",
        pattern=r"^[A-Z]{1,8}$",
        description="What invoice numbers begin with; each series has its own count.",
    )
    settle_after_s: float = Field(
        default=30,
        ge=0,
        le=3600,
        description="How long a payment may stay open before the provider is asked what became of it, "
        "and a closing before it is tried again.",
    )

    @classmethod
    def local_defaults(cls, given: Mapping[str, Any]) -> Values:
        """A seller that nobody takes for a real one, and a provider that moves no money."""
        seller = {"name": "Example Ltd", "address": "1 Example Street, Exampleton", "country": "NL"}
        return merged(super().local_defaults(given), {"provider": "sandbox", "seller": seller})
