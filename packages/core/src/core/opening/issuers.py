"""Who issues the access tokens that a service believes, and tells it which were revoked."""

from collections.abc import Mapping

from core.resources import ResourceList
from core.settings import ClientSettings, ServiceSettings
from core.tokens import Revocations

# The `iss` of tokens that a command on this machine signed.
LOCAL_ISSUER = "urn:local"
# The client of an issuer that is none of the named siblings.
_ISSUER = "access token issuer"


def issuer_of(settings: ServiceSettings) -> str | None:
    """The name of the issuer's client; None for a service that knows no issuer: it believes itself and this machine."""
    tokens = settings.tokens
    if tokens.issued_by in settings.clients:
        return tokens.issued_by
    return None if tokens.issuer is None else _ISSUER


def upstreams_of(settings: ServiceSettings) -> Mapping[str, ClientSettings]:
    """The siblings that the settings name, and the issuer if it is none of them."""
    if settings.tokens.issuer is None or issuer_of(settings) != _ISSUER:
        return settings.clients
    return {**settings.clients, _ISSUER: ClientSettings(url=settings.tokens.issuer)}


def heard_from(name: str, settings: ServiceSettings, declared: ResourceList) -> str | None:
    """The sibling that tells the service `name` which sessions were ended.

    None for one that issues tokens itself, that declares revocations of its own, or whose issuer is no sibling.
    """
    knows_itself = any(resource.kind is Revocations for resource in declared)
    return None if knows_itself or settings.tokens.issued_by == name else settings.tokens.issued_by
