"""Which function handles which event: a table that a slice declares and the service's dispatcher reads."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from core.events.event import Event

# The last argument is the service's resources, whose room stands above this one.
Handle = Callable[[Event, Any], Awaitable[None]]
HandleOnce = Callable[[Event, AsyncSession, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One handler of one type of event; `consumer` names it in the inbox."""

    type: str
    # The service that announces it; None: the handler's own.
    source: str | None
    consumer: str
    handle: Callable[..., Awaitable[None]]
    # Whether the handler is given the transaction in which its event is done with.
    in_transaction: bool

    def takes(self, event: Event, *, service: str) -> bool:
        """Whether it handles the event, being a handler of `service`."""
        return self.type == event.type and (self.source or service) == event.source


class Handlers:
    """The handlers of one slice."""

    def __init__(self) -> None:
        self.subscriptions: list[Subscription] = []

    def on(self, type_: str, *, source: str | None = None) -> Callable[[Handle], Handle]:
        """The function runs at least once for an event, with no transaction open: for mail and calls to others.

        `source` is the service that announces it; unset, the handler's own, which need not announce it to others.

        Raises:
            TypeError: it is not async.
            ValueError: it handles that type already.
        """

        def register(handle: Handle) -> Handle:
            self._add(Subscription(type_, source, _consumer(handle), handle, in_transaction=False))
            return handle

        return register

    def once(self, type_: str, *, source: str | None = None) -> Callable[[HandleOnce], HandleOnce]:
        """The function's effect happens once for an event: it is committed together with the row that remembers it.

        `source` is the service that announces it; unset, the handler's own, which need not announce it to others.

        Raises:
            TypeError: it is not async.
            ValueError: it handles that type already.
        """

        def register(handle: HandleOnce) -> HandleOnce:
            self._add(Subscription(type_, source, _consumer(handle), handle, in_transaction=True))
            return handle

        return register

    def _add(self, subscription: Subscription) -> None:
        new = (subscription.type, subscription.source, subscription.consumer)
        for other in self.subscriptions:
            # The inbox would take the second one's work for done.
            if (other.type, other.source, other.consumer) == new:
                message = f"{subscription.consumer} handles {subscription.type} twice"
                raise ValueError(message)
        self.subscriptions.append(subscription)


def _consumer(handle: Callable[..., object]) -> str:
    name = f"{handle.__module__}.{handle.__qualname__}"
    if not iscoroutinefunction(handle):
        # Here, not at the first event, which would be given up after all its attempts.
        raise TypeError(f"{name} is no async function")
    return name
