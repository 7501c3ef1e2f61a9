"""The open resources of the service that serves this request."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from core.clock import Clock
from core.resources import STATE, Resources
from core.settings import ServiceSettings

# Beside the service's STATE, whether the service is ready: what a host that mounts it asks.
READINESS = "chassis.readiness"


async def resources_of(connection: HTTPConnection) -> Resources:
    """What the service opened at its start."""
    return connection.scope["state"][STATE]


ResourcesDep = Annotated[Resources, Depends(resources_of)]


async def _settings(resources: ResourcesDep) -> ServiceSettings:
    return resources.settings


async def _clock(resources: ResourcesDep) -> Clock:
    return resources.clock


SettingsDep = Annotated[ServiceSettings, Depends(_settings)]
ClockDep = Annotated[Clock, Depends(_clock)]
