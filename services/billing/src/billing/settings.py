"""What billing can be told beyond what every service can."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from core.settings import Fault, Group, ServiceSettings, TokenSettings, Values, merged

# Published in this file: it signs what a laptop's sandbox tells, and nothing else accepts it.
LOCAL_WEBHOOK_SECRET = "local-only-whsec-5b1f7c02e9d84a63"  # noqa: S105 - published on purpose


class SellerSettings(Group):
    """Who sells: copied onto every invoice when it is finalized."""

    name: str = Field(min_length=1, max_length=200, description="The seller on invoices.")
    address: str = Field(min_length=1, max_length=500, description="The seller's address.")
    country: str = Field(pattern=r"^[A-Z]{2}$", description="The seller's country (ISO 3166-1 alpha-2).")
    tax_id: str | None = Field(default=None, min_length=1, max_length=50, description="The seller's VAT number.")


class WebhookSettings(Group):
    """By what it is known that a webhook comes from the payment provider."""

    # Shorter than what it makes, a key of HMAC-SHA256 weakens it (RFC 2104, section 3): 256 bits are 32 bytes.
    secret: SecretStr = Field(
        min_length=32, max_length=200, description="What the payment provider signs its webhooks with."
    )
    previous_secret: SecretStr | None = Field(
        default=None,
        min_length=32,
        max_length=200,
        description="The one before it, believed as well while the provider is being given the new one.",
    )


class Settings(ServiceSettings, env_prefix="BILLING_"):
    """The settings of billing."""

    tokens: TokenSettings = Field(
        default=TokenSettings(issued_by="users"), description="Whose access tokens are believed."
    )
    provider: Literal["sandbox"] = Field(description="Who moves the money; the sandbox moves none.")
    # Two of them, and what is written between, fit into the time that a request or an event has.
    provider_timeout_s: float = Field(
        default=5,
        gt=0,
        le=10,
        description="How long the payment provider may take to answer; after that, what became of it is unknown.",
    )
    webhooks: WebhookSettings = Field(description="How the webhooks of the payment provider are known.")
    seller: SellerSettings = Field(description="Who sells.")
    invoice_series: str = Field(
        default="INV",
        pattern=r"^[A-Z]{1,8}$",
        description="What invoice numbers begin with; each series has its own count.",
    )
    credit_note_series: str = Field(
        default="CRN", pattern=r"^[A-Z]{1,8}$", description="What the numbers of credit notes begin with."
    )
    trial_days_max: int = Field(
        default=30,
        ge=0,
        le=730,
        description="The longest trial that a customer may ask for; that of the price they get in any case.",
    )
    proration_back_s: int = Field(
        default=3600,
        ge=0,
        le=2_678_400,
        description="How long ago the instant may be at which a customer has a change computed.",
    )
    settle_after_s: float = Field(
        default=30,
        ge=0,
        le=3600,
        description="How long a payment may stay open before the provider is asked what became of it, "
        "and a closing before it is tried again.",
    )
    test_clock: bool = Field(
        default=False,
        description="Whether billing's clock can be moved ahead, to see what time brings; refused where money moves.",
    )

    @field_validator("webhooks", mode="after")
    @classmethod
    def _secret_is_one(cls, webhooks: WebhookSettings, info: ValidationInfo) -> WebhookSettings:
        believed = (webhooks.secret, webhooks.previous_secret)
        if info.data.get("environment") != "local" and SecretStr(LOCAL_WEBHOOK_SECRET) in believed:
            raise Fault("it is the secret of the environment local, which everyone can read in the source")
        return webhooks

    @classmethod
    def local_defaults(cls, given: Mapping[str, Any]) -> Values:
        """A seller that nobody takes for a real one, and a provider that moves no money."""
        webhooks = {"secret": LOCAL_WEBHOOK_SECRET}
        seller = {"name": "Example Ltd", "address": "1 Example Street, Exampleton", "country": "NL"}
        own = {"provider": "sandbox", "seller": seller, "webhooks": webhooks, "test_clock": True}
        return merged(super().local_defaults(given), own)
