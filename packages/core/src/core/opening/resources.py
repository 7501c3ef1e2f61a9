"""The order in which the resources of a service open."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from types import MappingProxyType

from opentelemetry.trace import Tracer

from core.client import open_clients
from core.clock import SystemClock
from core.database import measure_pools, open_database
from core.events import Outbox
from core.lifespan import Opener
from core.mail import Mail, open_mail
from core.metrics import Metrics
from core.opening.access_tokens import open_published_keys, verifier_of
from core.opening.issuers import heard_from, issuer_of, upstreams_of
from core.ports import Ports
from core.rate_limits import RateLimits, open_rate_limits
from core.resources import ResourceList, Resources
from core.revocations import open_denylist
from core.settings import MailSettings, ServiceSettings
from core.telemetry.exchange import request_id
from core.tokens import NothingRevoked, Revocations
from core.tokens.keys import Keys
from core.tokens.sealing import derive_key


async def open_resources(
    opener: Opener,
    name: str,
    settings: ServiceSettings,
    ports: Ports,
    *,
    declared: ResourceList,
    outbox: Outbox,
    metrics: Metrics,
    tracer: Tracer,
) -> Resources:
    """Opens everything; what was open is closed by `opener`, in reverse, when a later one fails.

    Raises:
        StartupError: one did not open; the text names it.
    """
    clients = await opener.open(
        "clients", open_clients(upstreams_of(settings), ports.transports, request_id=request_id, tracer=tracer)
    )
    database = await opener.open("database", open_database(settings.database, name=name, tracer=tracer))
    measure_pools(database, metrics)
    keys: list[Keys] = []
    if (issuer := issuer_of(settings)) is not None:
        published = open_published_keys(settings, clients, issuer, clock=SystemClock())
        keys.append(await opener.open("issuer's keys", published))
    revocations: Revocations = NothingRevoked()
    if heard_from(name, settings, declared) is not None:
        revocations = await opener.open("revocations", open_denylist(database))
    opened = Resources(
        name=name,
        settings=settings,
        clock=ports.clock,
        database=database,
        mail=ports.mail or _mail(settings.mail),
        clients=clients,
        verifier=await verifier_of(settings, keys),
        revocations=revocations,
        outbox=outbox,
        metrics=metrics,
        tracer=tracer,
        page_key=derive_key(settings.secret_key.get_secret_value(), "pages"),
        rate_limits=await opener.open("rate limits", _rate_limits(name, settings, metrics)),
    )
    return await _with_declared(opened, opener, declared)


async def _with_declared(resources: Resources, opener: Opener, declared: ResourceList) -> Resources:
    """What is open, and what the service declares itself, each opened on those before it."""
    for resource in declared:
        opened = await opener.open(resource.kind.__name__, resource.open(resources))
        resources = replace(resources, declared=MappingProxyType({**resources.declared, resource.kind: opened}))
        if resource.kind is Keys:
            resources = replace(resources, verifier=await verifier_of(resources.settings, [opened]))
        elif resource.kind is Revocations:
            resources = replace(resources, revocations=opened)
    return resources


def _mail(settings: MailSettings) -> Mail:
    return open_mail(settings.url.get_secret_value(), settings.sender, timeout_s=settings.timeout_s)


def _rate_limits(name: str, settings: ServiceSettings, metrics: Metrics) -> AbstractAsyncContextManager[RateLimits]:
    uncounted = metrics.counter("rate_limits_uncounted_total", "Requests let in because their limit was not counted.")
    url = settings.rate_limits.storage.get_secret_value()
    key = derive_key(settings.secret_key.get_secret_value(), "rate limits")
    return open_rate_limits(url, service=name, key=key, uncounted=uncounted.add)
