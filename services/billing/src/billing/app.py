"""Billing: what it is made of."""

from fastapi import FastAPI

from billing.catalog import dependencies as catalog
from billing.catalog.commands import add_demo_plans
from billing.catalog.router import router as catalog_router
from billing.collection.dependencies import Followers
from billing.collection.handlers import handlers as collection_handlers
from billing.collection.router import router as collection_router
from billing.customers.router import router as customers_router
from billing.invoices.router import router as invoices_router
from billing.ledger.router import router as ledger_router
from billing.payments.provider import Provider, open_provider
from billing.payments.router import router as payments_router
from billing.settings import Settings
from billing.subscriptions.dependencies import open_followers
from billing.subscriptions.router import router as subscriptions_router
from core.application import service
from core.ports import Ports, Seed
from core.resources import Resource, Resources

__all__ = ["Settings", "create_app", "seed_local"]


def create_app(settings: Settings, ports: Ports = Ports()) -> FastAPI:
    """The application; builds everything and opens nothing."""
    return service(
        "billing",
        settings,
        ports,
        routers=[
            catalog_router,
            customers_router,
            payments_router,
            subscriptions_router,
            invoices_router,
            collection_router,
            ledger_router,
        ],
        resources=[Resource(Provider, open_provider), Resource(Followers, open_followers)],
        handlers=[collection_handlers],
    )


async def seed_local(resources: Resources, _: Seed) -> None:
    """Something to subscribe to, on a laptop."""
    async with resources.database.transaction() as session:
        await add_demo_plans(catalog.build(session, resources))
