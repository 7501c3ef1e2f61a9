"""Billing: what it is made of."""

from fastapi import FastAPI

from billing.catalog import dependencies as catalog
from billing.catalog.commands import add_demo_plans
from billing.catalog.router import router as catalog_router
from billing.closing.handlers import handlers as closing_handlers
from billing.collection.dependencies import Followers
from billing.collection.handlers import handlers as collection_handlers
from billing.collection.router import router as collection_router
from billing.customers.announcements import announcements as customers_announcements
from billing.customers.handlers import handlers as customers_handlers
from billing.customers.replays import replays as customers_replays
from billing.customers.router import router as customers_router
from billing.invoices.announcements import announcements as invoices_announcements
from billing.invoices.replays import replays as invoices_replays
from billing.invoices.router import router as invoices_router
from billing.ledger.router import router as ledger_router
from billing.payments.announcements import announcements as payments_announcements
from billing.payments.provider import Provider, open_provider
from billing.payments.replays import replays as payments_replays
from billing.payments.router import router as payments_router
from billing.settings import Settings
from billing.subscriptions.announcements import announcements as subscriptions_announcements
from billing.subscriptions.dependencies import open_followers
from billing.subscriptions.replays import replays as subscriptions_replays
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
        announces=[
            customers_announcements,
            invoices_announcements,
            payments_announcements,
            subscriptions_announcements,
        ],
        handlers=[customers_handlers, collection_handlers, closing_handlers],
        replays=[customers_replays, invoices_replays, payments_replays, subscriptions_replays],
    )


async def seed_local(resources: Resources, _: Seed) -> None:
    """Something to subscribe to, on a laptop."""
    async with resources.database.transaction() as session:
        await add_demo_plans(catalog.build(session, resources))
