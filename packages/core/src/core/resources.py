"""What a running service holds: one frozen object, through which every handler reaches what was opened at its start."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncSession

from core.client import Clients
from core.clock import Clock
from core.database import Database
from core.events import Events
from core.mail import Mail
from core.settings import ServiceSettings
from core.tokens import Verifier

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The open resources of one service; `resources[PaymentProvider]` is what it declared itself under that type."""

    name: str
    settings: ServiceSettings
    clock: Clock
    database: Database
    mail: Mail
    clients: Clients
    verifier: Verifier
    wake_relay: Callable[[], None]
    declared: Mapping[type, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __getitem__(self, kind: type[T]) -> T:
        """The resource that was declared under `kind`.

        Raises:
            KeyError: none was.
        """
        return cast("T", self.declared[kind])

    def events(self, session: AsyncSession) -> Events:
        """What announces the changes of `session`."""
        return Events(session, self.clock, self.wake_relay)


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    """One long-lived resource of a service: the type it is reached by, and how it opens on what is open already."""

    kind: type[T]
    open: Callable[[Any], AbstractAsyncContextManager[T]]


ResourceList = Sequence[Resource[Any]]
