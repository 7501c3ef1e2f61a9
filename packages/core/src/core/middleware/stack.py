"""The layers of a request, in the order in which it passes them."""

from fastapi import FastAPI
from starlette.middleware import Middleware

from core.metrics import RequestMetrics
from core.middleware.catch_all import CatchAll
from core.middleware.cors import Cors
from core.middleware.edge import Edge
from core.middleware.exception_handlers import ExceptionHandlers
from core.middleware.form_files import FormFiles
from core.middleware.guard import Guard
from core.middleware.in_flight import Deadlines, InFlight
from core.middleware.per_client import PerClient
from core.middleware.security_headers import SecurityHeaders
from core.middleware.trusted_hosts import TrustedHosts
from core.settings import ChassisSettings, ServiceSettings
from core.telemetry.exchange import Identity
from core.web.body_limits import BodyLimits
from core.web.problems import Problems


def layers(
    app: FastAPI,
    service: Identity,
    settings: ChassisSettings,
    *,
    problems: Problems,
    requests: RequestMetrics,
    deadlines: Deadlines,
) -> list[Middleware]:
    """What a request passes on its way to the router.

    The first never answers by itself, and a web page may read what those after the second answer.
    """
    server, cors = settings.server, settings.cors
    hosts = server.trusted_hosts
    per_client = settings.rate_limits.per_client if isinstance(settings, ServiceSettings) else None
    security = SecurityHeaders(https=settings.public_url.startswith("https://"))
    body_limits = BodyLimits(app.router.routes, default_bytes=server.body_max_bytes)
    # What answers 500 in Starlette's stack stands outside of it; here, CatchAll answers.
    handlers = {kind: handler for kind, handler in app.exception_handlers.items() if kind not in (500, Exception)}
    return [
        Middleware(Edge, service=service, requests=requests, security=security, trusted_proxies=server.trusted_proxies),
        *([Middleware(Cors, settings=cors, problems=problems)] if cors.allow_origins else []),
        Middleware(CatchAll, problems=problems),
        *([Middleware(TrustedHosts, problems=problems, hosts=hosts)] if hosts else []),
        Middleware(InFlight, problems=problems, deadlines=deadlines, requests_max=server.concurrency_max),
        *([Middleware(PerClient, problems=problems, limit=per_client)] if per_client else []),
        Middleware(Guard, problems=problems, body_limits=body_limits, body_timeout_s=server.body_timeout_s),
        *app.user_middleware,
        Middleware(ExceptionHandlers, handlers=handlers),
        Middleware(FormFiles),
    ]
