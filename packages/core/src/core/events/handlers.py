"""Which function handles which event: a table that a slice declares and the service's relay reads."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Database
from core.events.event import Event
from core.events.tables import inbox

# The last argument is the service's resources, whose room stands above this one.
Handle = Callable[[Event, Any], Awaitable[None]]
HandleOnce = Callable[[Event, AsyncSession, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One handler of one type of event; `consumer` names it in the inbox."""

    type: str
    consumer: str
    handle: Callable[[Event, Database, Any], Awaitable[None]]
    # Whether it holds a connection all the time that it runs.
    in_transaction: bool


class Handlers:
    """The handlers of one slice."""

    def __init__(self) -> None:
        self.subscriptions: list[Subscription] = []

    def on(self, type_: str) -> Callable[[Handle], Handle]:
        """The function runs at least once for an event, with no transaction open: for mail and calls to others.

        Raises:
            TypeError: it is not async.
            ValueError: it handles that type already.
        """

        def register(handle: Handle) -> Handle:
            async def deliver(event: Event, _database: Database, resources: object) -> None:
                await handle(event, resources)

            self._add(Subscription(type_, _consumer(handle), deliver, in_transaction=False))
            return handle

        return register

    def once(self, type_: str) -> Callable[[HandleOnce], HandleOnce]:
        """The function's effect happens once for an event: it is committed together with the row that remembers it.

        Raises:
            TypeError: it is not async.
            ValueError: it handles that type already.
        """

        def register(handle: HandleOnce) -> HandleOnce:
            consumer = _consumer(handle)

            async def deliver(event: Event, database: Database, resources: object) -> None:
                async with database.transaction() as session:
                    first = insert(inbox).values(consumer=consumer, event_id=event.id).on_conflict_do_nothing()
                    if await session.scalar(first.returning(inbox.c.event_id)) is not None:
                        await handle(event, session, resources)

            self._add(Subscription(type_, consumer, deliver, in_transaction=True))
            return handle

        return register

    def _add(self, subscription: Subscription) -> None:
        for other in self.subscriptions:
            # The inbox would take the second one's work for done.
            if (other.type, other.consumer) == (subscription.type, subscription.consumer):
                message = f"{subscription.consumer} handles {subscription.type} twice"
                raise ValueError(message)
        self.subscriptions.append(subscription)


def _consumer(handle: Callable[..., object]) -> str:
    name = f"{handle.__module__}.{handle.__qualname__}"
    if not iscoroutinefunction(handle):
        # Here, not at the first event, which would be given up after all its attempts.
        raise TypeError(f"{name} is no async function")
    return name
