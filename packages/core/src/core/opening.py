"""Opens the resources of a service in order: the chassis' own, then those that the service declares."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from types import MappingProxyType

from core.client import Clients, open_clients
from core.clock import SystemClock
from core.database import open_database
from core.lifespan import Opener
from core.mail import Mail, open_mail
from core.ports import Ports
from core.resources import ResourceList, Resources
from core.settings import ClientSettings, MailSettings, ServiceSettings
from core.telemetry.exchange import request_id
from core.tokens import Keys, LocalKey, RemoteKeys, Verifier

# The `iss` of tokens that a command on this machine signed.
LOCAL_ISSUER = "urn:local"
JWKS_PATH = "/.well-known/jwks.json"
# The client of an issuer that is none of the named siblings.
_ISSUER = "access token issuer"


async def open_resources(
    opener: Opener,
    name: str,
    settings: ServiceSettings,
    ports: Ports,
    *,
    declared: ResourceList,
    wake_relay: Callable[[], None],
) -> Resources:
    """Opens everything; what was open is closed by `opener`, in reverse, when a later one fails.

    Raises:
        StartupError: one did not open; the text names it.
    """
    upstreams = _upstreams(settings)
    clients = await opener.open("clients", open_clients(upstreams, ports.transports, request_id=request_id))
    database = await opener.open("database", open_database(settings.database, name=name))
    # One or none: a service that knows no issuer believes itself and this machine.
    issuers = [issuer for issuer in (settings.tokens.issued_by, _ISSUER) if issuer in upstreams]
    keys = [await opener.open("issuer's keys", _published_keys(settings, clients, issuer)) for issuer in issuers]
    resources = Resources(
        name=name,
        settings=settings,
        clock=ports.clock,
        database=database,
        mail=ports.mail or _mail(settings.mail),
        clients=clients,
        verifier=await _verifier(settings, keys),
        wake_relay=wake_relay,
    )
    for resource in declared:
        opened = await opener.open(resource.kind.__name__, resource.open(resources))
        resources = replace(resources, declared=MappingProxyType({**resources.declared, resource.kind: opened}))
        if resource.kind is Keys:
            resources = replace(resources, verifier=await _verifier(settings, [opened]))
    return resources


def _mail(settings: MailSettings) -> Mail:
    return open_mail(settings.url.get_secret_value(), settings.sender, timeout_s=settings.timeout_s)


def _upstreams(settings: ServiceSettings) -> Mapping[str, ClientSettings]:
    tokens = settings.tokens
    if tokens.issuer is None or tokens.issued_by in settings.clients:
        return settings.clients
    return {**settings.clients, _ISSUER: ClientSettings(url=tokens.issuer)}


@asynccontextmanager
async def _published_keys(settings: ServiceSettings, clients: Clients, issuer: str) -> AsyncGenerator[Keys]:
    """The keys that the issuer publishes; fetched when the first token asks for one."""

    async def fetch() -> bytes:
        response = await clients.client(issuer).get(settings.tokens.jwks_url or JWKS_PATH)
        return response.raise_for_status().content

    keys = RemoteKeys(fetch, clock=SystemClock())
    try:
        yield keys
    finally:
        await keys.close()


# Tokens live by the system's clock, whatever the business clock says.
async def _verifier(settings: ServiceSettings, keys: list[Keys]) -> Verifier:
    tokens = settings.tokens
    issuers = [tokens.issuer or settings.public_url]
    if settings.environment == "local" and settings.data_dir is not None:
        # What `<service> token` signs with on this machine.
        issuers.append(LOCAL_ISSUER)
        keys = [await asyncio.to_thread(LocalKey.open, settings.data_dir, environment=settings.environment), *keys]
    return Verifier(keys, issuers=issuers, audience=tokens.audience, clock=SystemClock(), leeway_s=tokens.leeway_s)
