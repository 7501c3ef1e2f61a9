"""Who moves the money: one port, and the providers behind it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from billing.payments.provider.port import Card, Outcome, PaymentMethodRefused, Provider
from billing.payments.provider.sandbox import Sandbox
from core.resources import Resources

__all__ = ["Card", "Outcome", "PaymentMethodRefused", "Provider", "Sandbox", "open_provider"]


@asynccontextmanager
async def open_provider(resources: Resources) -> AsyncGenerator[Provider]:
    """The provider that the settings name; today there is one."""
    yield Sandbox(resources.database, resources.clock)
