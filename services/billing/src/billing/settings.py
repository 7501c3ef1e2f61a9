"""What billing can be told beyond what every service can."""

from typing import Literal

from pydantic import Field

from core.settings import Group, ServiceSettings, TokenSettings


class SellerSettings(Group):
    """Who sells: copied onto every invoice when it is finalized."""

    name: str = Field(default="Example Ltd", min_length=1, max_length=200, description="The seller on invoices.")
    address: str = Field(
        default="1 Example Street, Exampleton", min_length=1, max_length=500, description="The seller's address."
    )
    country: str = Field(
        default="NL", pattern=r"\A[A-Z]{2}\Z", description="The seller's country (ISO 3166-1 alpha-2)."
    )
    tax_id: str | None = Field(default=None, min_length=1, max_length=50, description="The seller's VAT number.")


class Settings(ServiceSettings, env_prefix="BILLING_"):
    """The settings of billing."""

    tokens: TokenSettings = Field(
        default=TokenSettings(issued_by="users"), description="Whose access tokens are believed."
    )
    provider: Literal["sandbox"] = Field(
        default="sandbox", description="Who takes payments; the sandbox moves no money."
    )
    seller: SellerSettings = Field(default=SellerSettings(), description="Who sells.")
    invoice_series: str = Field(
        default="INV",
        pattern=r"\A[A-Z]{1,8}\Z",
        description="What invoice numbers begin with; each series counts alone.",
    )
    settle_after_s: float = Field(
        default=30,
        ge=0,
        le=3600,
        description="How long a payment may stay open before the provider is asked what became of it.",
    )
