"""The gateway as an application: gives each request to the service its path names, and answers the rest itself."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from core.application import chassis
from core.dependencies.resources import READINESS
from core.mount import Dispatch
from core.ports import Seed
from core.web.openapi import documentation_routes, openapi_of
from core.web.probes import Readiness
from gateway.developer.access import is_loopback
from gateway.developer.mailbox import mailbox_router
from gateway.documentation import merge
from gateway.front_door import front_door
from gateway.services import HostedServices
from gateway.settings import GatewaySettings

NAME = "gateway"
MAILBOX_PATH = "/_dev/api/mail"


def create_app(settings: GatewaySettings, services: HostedServices, *, seed: Seed, mail_folder: Path) -> Dispatch:
    """Builds the gateway over `services`; opens nothing."""

    @asynccontextmanager
    async def lifespan(readiness: Readiness) -> AsyncIterator[Mapping[str, Any]]:
        async with services.running(seed):
            readiness.mounted.update({mount.name: mount.state[READINESS] for mount in services.mounts.services})
            yield {}

    developer = is_loopback(settings.server.host)
    app = chassis(
        NAME,
        # Its own document would show nothing: what it documents is the services.
        settings.model_copy(update={"docs_enabled": False}),
        routers=[mailbox_router(mail_folder)] if developer else [],
        lifespan=lifespan,
    )

    def document() -> dict[str, Any]:
        documents = {name: openapi_of(app) for name, app in services.apps.items()}
        return merge(documents, title="All services", version=app.version)

    app.router.routes.extend(
        [*documentation_routes("All services", document), front_door(_links(services, developer=developer))]
    )
    return Dispatch(app, services.mounts)


def _links(services: HostedServices, *, developer: bool) -> dict[str, str]:
    links = {"All services as one API": "/docs", "Readiness": "/readyz"}
    links |= {f"{mount.name}: documentation": f"/{mount.name}/docs" for mount in services.mounts.services}
    return links | ({"Mail that was sent": MAILBOX_PATH} if developer else {})
