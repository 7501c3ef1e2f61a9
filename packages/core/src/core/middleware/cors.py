"""Cross-origin requests (Fetch standard): closed unless a setting names the origins that may read answers."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import Forbidden
from core.settings import CorsSettings
from core.telemetry.exchange import EXCHANGE
from core.web.problems import Problems

VARY = (b"vary", b"Origin")


class CrossOriginRefused(Forbidden):
    """This service lets no page of that origin send such a request."""

    code = "cross_origin_refused"


class Cors:
    """Starlette's CORS layer, entered only with an `Origin`; other requests get the `Vary` that caches need."""

    def __init__(self, app: ASGIApp, *, settings: CorsSettings, problems: Problems) -> None:
        self.app = app
        self._problems = problems
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
        exchange = scope[EXCHANGE]
        if b"origin" not in exchange.request_headers:
            exchange.headers.append(VARY)
            await self.app(scope, receive, send)
            return
        answer = self._preflight(scope) if scope["method"] == "OPTIONS" else None
        await (answer or self._cross_origin)(scope, receive, send)

    def _preflight(self, scope: Scope) -> Response | None:
        """The answer to a preflight; None for another OPTIONS request."""
        asked = Headers(scope=scope)
        if "access-control-request-method" not in asked:
            return None
        answer = self._cross_origin.preflight_response(asked)
        if answer.status_code < HTTPStatus.BAD_REQUEST:
            return answer
        # Starlette's headers, which say what would be allowed, on a document of our shape.
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return self._problems.answer(CrossOriginRefused(), scope, headers=headers)
