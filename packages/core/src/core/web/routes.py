"""Routes of the chassis itself: no operations of the API, but the access line knows them by their template, too."""

from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send


class PlainRoute(Route):
    """Starlette's route, which tells the layers outside that it was chosen, as FastAPI's do."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        scope["route"] = self
        await super().handle(scope, receive, send)


class PlainMount(Mount):
    """Starlette's mount, which tells it as well."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        scope["route"] = self
        await super().handle(scope, receive, send)
