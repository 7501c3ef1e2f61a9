"""What a running service holds: one frozen object, through which every handler reaches what was opened at its start."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from opentelemetry.trace import Tracer
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import Clock
from core.database import Database
from core.events import Events, Outbox
from core.mail import Mail
from core.metrics import Metrics
from core.rate_limits import RateLimits
from core.settings import ServiceSettings
from core.tokens import Revocations

if TYPE_CHECKING:
    # With their libraries, which only what opens them imports.
    from core.client import Clients
    from core.tokens.verifier import Verifier

T = TypeVar("T")
SettingsT = TypeVar("SettingsT", bound=ServiceSettings)

# The one key under which a service keeps what it holds in the lifespan state: no merge, no collision.
STATE = "chassis"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The open resources of one service; `resources[PaymentProvider]` is what it declared itself under that type."""

    name: str
    settings: ServiceSettings
    clock: Clock
    database: Database
    mail: Mail
    clients: "Clients"
    verifier: "Verifier"
    revocations: Revocations
    outbox: Outbox
    metrics: Metrics
    tracer: Tracer
    rate_limits: RateLimits
    # Signs the cursors of pages.
    page_key: bytes = field(repr=False)
    declared: Mapping[type, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __getitem__(self, kind: type[T]) -> T:
        """The resource that was declared under `kind`.

        Raises:
            KeyError: none was.
        """
        if kind not in self.declared:
            there_are = ", ".join(sorted(each.__name__ for each in self.declared)) or "none"
            raise KeyError(f"{self.name} declares no resource {kind.__name__}; there are: {there_are}")
        return cast("T", self.declared[kind])

    def settings_as(self, kind: type[SettingsT]) -> SettingsT:
        """The settings, as the class of them that the service was made with.

        Raises:
            TypeError: it was made with others.
        """
        if not isinstance(self.settings, kind):
            message = f"the settings are {type(self.settings).__name__}, not {kind.__name__}"
            raise TypeError(message)
        return self.settings

    def events(self, session: AsyncSession) -> Events:
        """What announces the changes of `session`."""
        return self.outbox.events(session)


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    """One long-lived resource of a service: the type it is reached by, and how it opens on what is open already."""

    kind: type[T]
    open: Callable[[Any], AbstractAsyncContextManager[T]]


ResourceList = Sequence[Resource[Any]]
