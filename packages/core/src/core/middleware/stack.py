"""The layers of a request, in the order in which it passes them."""

from starlette.middleware import Middleware

from core.middleware.catch_all import CatchAll
from core.middleware.cors import Cors
from core.middleware.deadlines import Deadlines, DeadlineTable
from core.middleware.edge import Edge
from core.middleware.guard import Guard
from core.middleware.security_headers import SecurityHeaders
from core.settings import ChassisSettings
from core.web.problems import Problems


def outer_layers(service: str, settings: ChassisSettings, problems: Problems) -> list[Middleware]:
    """What stands around FastAPI's own stack, so that even its last resort leaves with an id, CORS and a line."""
    return [
        Middleware(Edge, service=service),
        *([Middleware(Cors, settings=settings.cors)] if settings.cors.allow_origins else []),
        Middleware(SecurityHeaders, https=settings.public_url.startswith("https://")),
        Middleware(Guard, problems=problems, body_bytes_max=settings.server.body_max_bytes),
    ]


def inner_layers(deadlines: DeadlineTable, problems: Problems) -> list[Middleware]:
    """What stands between FastAPI's own stack and the handlers of exceptions."""
    return [
        Middleware(Deadlines, table=deadlines, problems=problems),
        Middleware(CatchAll, problems=problems),
    ]
