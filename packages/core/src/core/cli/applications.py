"""The application of a service as a command needs it: to be served, to be described, or started without serving."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.exc import ProgrammingError

from core.application import ChassisApp
from core.dependencies.resources import STATE
from core.events.bus import LocalBus
from core.lifespan import StartupError, held_back, started
from core.migrations import MigrationError
from core.ports import Ports
from core.resources import Resources
from core.services import Service
from core.settings import load
from core.telemetry.logs import logging_to_stdout

T = TypeVar("T")

# What is only described opens nothing: its database need not exist, and local defaults fill in the rest.
_UNOPENED = {"environment": "local", "database": {"url": "postgresql://localhost/unused"}}
# PostgreSQL, appendix A: undefined_table, undefined_column.
_LACKING = ("42P01", "42703")


def application_of(service: Service) -> ChassisApp:
    """The application as the environment configures it; what it announces waits in the outbox for a replica.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    # A command carries no events, and so works while the bus is away.
    return service.create_app(load(service.settings).settings, Ports(bus=LocalBus()))


def described(service: Service) -> ChassisApp:
    """The application for what it says of itself: with the routers that the environment chooses.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    return service.create_app(load(service.settings, overrides=_UNOPENED).settings, Ports())


def described_whole(service: Service) -> ChassisApp:
    """The application for what it says of itself: with all its routers, whatever the environment is."""
    return service.create_app(service.settings.model_validate(_UNOPENED), Ports())


@asynccontextmanager
async def opened(app: ChassisApp) -> AsyncGenerator[Resources]:
    """Its resources, until the block ends; no relay runs, and no job that happens to be due.

    Raises:
        StartupError: one did not open.
        MigrationError: the database is not migrated, or not as far as this code needs.
    """
    try:
        with held_back():
            async with started(app, name=app.chassis_name) as state:
                yield state[STATE]
    except (ProgrammingError, StartupError, asyncpg.PostgresError) as failed:
        refused = failed.__cause__ if isinstance(failed, StartupError) else failed
        refused = refused.orig if isinstance(refused, ProgrammingError) else refused
        if getattr(refused, "sqlstate", None) not in _LACKING:
            raise
        name = app.chassis_name
        raise MigrationError(f"{name}: the database lacks what this code needs: run `{name} migrate`") from failed


def run_opened(app: ChassisApp, work: Callable[[Resources], Coroutine[Any, Any, T]]) -> T:
    """What `work` gives for its resources; see `opened`. Warnings are lines on standard output."""

    async def run() -> T:
        async with opened(app) as resources:
            return await work(resources)

    with logging_to_stdout(level="warning", form=app.settings.logs.format, process=app.identity):
        return asyncio.run(run())
