"""The application of a service as a command needs it: to be served, to be described, or started without serving."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from core.application import ChassisApp
from core.dependencies.resources import STATE
from core.lifespan import held_back, started
from core.ports import Ports
from core.resources import Resources
from core.services import Service
from core.settings import load

# What is only described opens nothing: its database need not exist, and local defaults fill in the rest.
_UNOPENED = {"environment": "local", "database": {"url": "postgresql://localhost/unused"}}


def application_of(service: Service) -> ChassisApp:
    """The application as the environment configures it.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    return service.create_app(load(service.settings).settings, Ports())


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
    """
    with held_back():
        async with started(app, name=app.chassis_name) as state:
            yield state[STATE]
