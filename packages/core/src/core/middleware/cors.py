"""Cross-origin requests (Fetch standard): closed unless a setting names the origins that may read answers."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.settings import CorsSettings


class Cors:
    """Starlette's CORS layer, entered only with an `Origin`; other requests get the `Vary` that caches need."""

    def __init__(self, app: ASGIApp, *, settings: CorsSettings) -> None:
        self.app = app
        self._cross_origin = CORSMiddleware(
            app,
            allow_origins=settings.allow_origins,
            allow_methods=settings.allow_methods,
            allow_headers=settings.allow_headers,
            expose_headers=settings.expose_headers,
            allow_credentials=settings.allow_credentials,
            max_age=settings.max_age_s,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if any(name == b"origin" for name, _ in scope["headers"]):
            await self._cross_origin(scope, receive, send)
            return

        async def vary(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"vary", b"Origin")]
            await send(message)

        await self.app(scope, receive, vary)
