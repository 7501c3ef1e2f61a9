"""Who moves the money: one port, and the providers behind it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from billing.payments.provider.bounded import Bounded
from billing.payments.provider.port import (
    Card,
    Movement,
    News,
    NewsStatus,
    Outcome,
    PaymentMethodRefused,
    Provider,
    RefundOutcome,
    WebhookMalformed,
    WebhookNotSigned,
)
from billing.payments.provider.sandbox import Sandbox
from billing.payments.provider.signatures import Signatures
from billing.settings import Settings
from core.clock import SystemClock
from core.resources import Resources

__all__ = [
    "Bounded",
    "Card",
    "Movement",
    "News",
    "NewsStatus",
    "Outcome",
    "PaymentMethodRefused",
    "Provider",
    "RefundOutcome",
    "Sandbox",
    "Signatures",
    "WebhookMalformed",
    "WebhookNotSigned",
    "open_provider",
    "open_sandbox",
]


@asynccontextmanager
async def open_provider(resources: Resources) -> AsyncGenerator[Provider]:
    """The provider that the settings name, within a time limit; today there is one."""
    yield Bounded(open_sandbox(resources), resources.settings_as(Settings).provider_timeout_s)


def open_sandbox(resources: Resources) -> Sandbox:
    """The sandbox alone, which can be had tell what is in its books."""
    webhooks = resources.settings_as(Settings).webhooks
    secrets = (webhooks.secret, webhooks.previous_secret)
    signatures = Signatures(tuple(secret for secret in secrets if secret is not None))
    return Sandbox(resources.database, SystemClock(), signatures)
