"""Billing: what it is made of."""

from dataclasses import replace

from fastapi import FastAPI

from billing.biller.dependencies import open_meters
from billing.biller.jobs import jobs as biller_jobs
from billing.biller.service import Meters
from billing.catalog import dependencies as catalog
from billing.catalog.commands import add_demo_plans
from billing.catalog.router import router as catalog_router
from billing.clock import BusinessClock
from billing.closing.handlers import handlers as closing_handlers
from billing.collection.dependencies import Followers
from billing.collection.handlers import handlers as collection_handlers
from billing.collection.router import router as collection_router
from billing.credit_notes.announcements import announcements as credit_notes_announcements
from billing.credit_notes.replays import replays as credit_notes_replays
from billing.credit_notes.router import router as credit_notes_router
from billing.customers.announcements import announcements as customers_announcements
from billing.customers.handlers import handlers as customers_handlers
from billing.customers.replays import replays as customers_replays
from billing.customers.router import router as customers_router
from billing.entitlements.announcements import announcements as entitlements_announcements
from billing.entitlements.replays import replays as entitlements_replays
from billing.entitlements.router import router as entitlements_router
from billing.invoices.announcements import announcements as invoices_announcements
from billing.invoices.replays import replays as invoices_replays
from billing.invoices.router import router as invoices_router
from billing.ledger.router import router as ledger_router
from billing.payments.announcements import announcements as payments_announcements
from billing.payments.dependencies import MethodUsers
from billing.payments.handlers import handlers as payments_handlers
from billing.payments.provider import Provider, open_provider
from billing.payments.replays import replays as payments_replays
from billing.payments.router import methods_router as payment_methods_router
from billing.payments.router import payments_router
from billing.reconciliation.dependencies import LastFound, open_last_found
from billing.reconciliation.jobs import jobs as reconciliation_jobs
from billing.refunds.announcements import announcements as refunds_announcements
from billing.refunds.handlers import handlers as refunds_handlers
from billing.refunds.replays import replays as refunds_replays
from billing.refunds.router import router as refunds_router
from billing.settings import Settings
from billing.subscriptions.announcements import announcements as subscriptions_announcements
from billing.subscriptions.dependencies import open_followers, open_method_users
from billing.subscriptions.replays import replays as subscriptions_replays
from billing.subscriptions.router import preview_router
from billing.subscriptions.router import router as subscriptions_router
from billing.test_clock.dependencies import open_clock
from billing.test_clock.handlers import handlers as test_clock_handlers
from billing.test_clock.router import router as test_clock_router
from billing.webhooks.handlers import handlers as webhooks_handlers
from billing.webhooks.jobs import jobs as webhooks_jobs
from billing.webhooks.router import router as webhooks_router
from core.application import service
from core.ports import Ports, Seed
from core.resources import Resource, Resources

__all__ = ["Settings", "create_app", "seed_local"]


ROUTERS = (
    catalog_router,
    customers_router,
    entitlements_router,
    payment_methods_router,
    payments_router,
    subscriptions_router,
    preview_router,
    invoices_router,
    collection_router,
    refunds_router,
    credit_notes_router,
    ledger_router,
    webhooks_router,
)
RESOURCES = (
    Resource(Provider, open_provider),
    Resource(Followers, open_followers),
    Resource(MethodUsers, open_method_users),
    Resource(Meters, open_meters),
    Resource(LastFound, open_last_found),
)
ANNOUNCES = (
    customers_announcements,
    entitlements_announcements,
    invoices_announcements,
    payments_announcements,
    refunds_announcements,
    credit_notes_announcements,
    subscriptions_announcements,
)
HANDLERS = (
    customers_handlers,
    payments_handlers,
    collection_handlers,
    refunds_handlers,
    webhooks_handlers,
    closing_handlers,
)
JOBS = (webhooks_jobs, biller_jobs, reconciliation_jobs)
REPLAYS = (
    customers_replays,
    entitlements_replays,
    invoices_replays,
    payments_replays,
    subscriptions_replays,
    refunds_replays,
    credit_notes_replays,
)


def create_app(settings: Settings, ports: Ports = Ports()) -> FastAPI:
    """The application; builds everything and opens nothing."""
    clock_routers, clock_handlers, clock = [], [], []
    if settings.test_clock:
        ports = replace(ports, clock=BusinessClock(ports.clock))
        clock_routers, clock_handlers = [test_clock_router], [test_clock_handlers]
        clock = [Resource(BusinessClock, open_clock)]
    return service(
        "billing",
        settings,
        ports,
        routers=[*ROUTERS, *clock_routers],
        resources=[*RESOURCES, *clock],
        announces=ANNOUNCES,
        handlers=[*HANDLERS, *clock_handlers],
        jobs=JOBS,
        replays=REPLAYS,
    )


async def seed_local(resources: Resources, _: Seed) -> None:
    """Something to subscribe to, on a laptop."""
    async with resources.database.transaction() as session:
        await add_demo_plans(catalog.build(session, resources))
