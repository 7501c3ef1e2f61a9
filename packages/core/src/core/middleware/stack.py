"""The layers of a request, in the order in which it passes them."""

from starlette.middleware import Middleware

from core.metrics import RequestMetrics
from core.middleware.catch_all import CatchAll
from core.middleware.concurrency import Concurrency
from core.middleware.cors import Cors
from core.middleware.deadlines import Deadlines, DeadlineTable
from core.middleware.edge import Edge
from core.middleware.guard import Guard
from core.middleware.per_client import PerClient
from core.middleware.security_headers import SecurityHeaders
from core.middleware.trusted_hosts import TrustedHosts
from core.settings import ChassisSettings, ServiceSettings
from core.telemetry.exchange import Identity
from core.web.body_limits import BodyLimits
from core.web.problems import Problems


def outer_layers(
    service: Identity, settings: ChassisSettings, problems: Problems, requests: RequestMetrics, body_limits: BodyLimits
) -> list[Middleware]:
    """What stands around FastAPI's own stack, so that even its last resort leaves with an id, CORS and a line.

    The first two never answer by themselves, and a web page may read what those after the third answer.
    """
    server, cors = settings.server, settings.cors
    hosts = server.trusted_hosts
    per_client = settings.rate_limits.per_client if isinstance(settings, ServiceSettings) else None
    return [
        Middleware(Edge, service=service, requests=requests, trusted_proxies=server.trusted_proxies),
        Middleware(SecurityHeaders, https=settings.public_url.startswith("https://")),
        *([Middleware(Cors, settings=cors, problems=problems)] if cors.allow_origins else []),
        *([Middleware(TrustedHosts, problems=problems, hosts=hosts)] if hosts else []),
        Middleware(Concurrency, problems=problems, requests_max=server.concurrency_max),
        *([Middleware(PerClient, problems=problems, limit=per_client)] if per_client else []),
        Middleware(Guard, problems=problems, body_limits=body_limits, body_timeout_s=server.body_timeout_s),
    ]


def inner_layers(deadlines: DeadlineTable, problems: Problems) -> list[Middleware]:
    """What stands between FastAPI's own stack and the handlers of exceptions."""
    return [
        Middleware(Deadlines, table=deadlines, problems=problems),
        Middleware(CatchAll, problems=problems),
    ]
