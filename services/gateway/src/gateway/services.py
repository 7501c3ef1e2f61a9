"""The installed services as this process runs them: settings for this host, mounted, calling each other in memory."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from core.client import InProcess
from core.dependencies.resources import STATE
from core.events.bus import LocalBus
from core.local.host import LocalHost
from core.mount import Mounts, ServiceMount
from core.ports import Ports, Seed
from core.services import Service
from core.settings import Loaded, ServiceSettings


@dataclass(frozen=True, slots=True)
class HostedService:
    """One service and what it runs with here."""

    service: Service
    settings: Loaded[ServiceSettings]


def configure(services: Sequence[Service], host: LocalHost, *, url: str) -> list[HostedService]:
    """The settings of every service below `url`.

    Raises:
        ConfigurationError: one of them is wrong.
    """
    urls = {service.name: f"{url}/{service.name}" for service in services}
    return [HostedService(service, host.load(service, url=urls[service.name], siblings=urls)) for service in services]


class HostedServices:
    """Every service, mounted; a call from one to another stays in this process."""

    def __init__(self, hosted: Sequence[HostedService]) -> None:
        self.hosted = hosted
        siblings = {each.service.name: InProcess(self._dispatch) for each in hosted}
        ports = Ports(transports=siblings, bus=LocalBus())
        self.apps = {each.service.name: each.service.create_app(each.settings.settings, ports) for each in hosted}
        self.mounts = Mounts([ServiceMount(name, app) for name, app in self.apps.items()])

    @asynccontextmanager
    async def running(self, seed: Seed) -> AsyncIterator[None]:
        """Starts every service, and fills what is fresh.

        Raises:
            StartupError: a service did not start.
        """
        async with self.mounts.lifespan():
            for each, mount in zip(self.hosted, self.mounts.services, strict=True):
                if (seed_local := each.service.seed_local) is not None:
                    await seed_local(mount.state[STATE], seed)
            yield

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        mount: ASGIApp | None = self.mounts.find(scope["path"])
        assert mount is not None, f"no service at {scope['path']}"  # noqa: S101 - siblings' URLs are made above
        await mount(scope, receive, send)
