"""What arrives for handlers that remember what they were given."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from core.database import Database
from core.events import Dispatcher, Event, Handlers, Inbox


class Deliveries:
    """Handlers of `thing.made` that remember what they were given, and do as `then` says."""

    def __init__(self) -> None:
        self.handlers = Handlers()
        self.seen: list[str] = []
        self.then: Callable[[Event], object] = lambda _: None
        self.handlers.on("thing.made", source="shop")(self.handle)

    async def handle(self, event: Event, _resources: object) -> None:
        self.seen.append(event.data["name"])
        outcome = self.then(event)
        if asyncio.iscoroutine(outcome):
            await outcome


@pytest.fixture
def deliveries() -> Deliveries:
    return Deliveries()


@pytest.fixture
def begun(deliveries: Deliveries, becomes: Callable[..., Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    """`await begun()`: returns when a handler runs."""

    async def has() -> bool:
        return bool(deliveries.seen)

    return lambda: becomes(has)


@pytest.fixture
def turned(becomes: Callable[..., Awaitable[object]]) -> Callable[[Dispatcher], Awaitable[None]]:
    """`await turned(dispatcher)`: returns when it has taken a turn, from its beginning to its end."""

    async def turned_(dispatcher: Dispatcher) -> None:
        async def has_begun() -> bool:
            return not dispatcher.inbox.awake.is_set()

        # The second one begins when the first one has ended.
        for _ in range(2):
            dispatcher.inbox.awake.set()
            await becomes(has_begun)

    return turned_


@pytest.fixture
def arrive(database: Database) -> Callable[..., Awaitable[None]]:
    """`await arrive(handlers, event, …)`: they are in the inbox, and no dispatcher is told."""

    async def arrive_(handlers: Handlers, *events: Event) -> None:
        await Inbox("example", database, handlers.subscriptions).receive(events)

    return arrive_


@pytest.fixture
def all_handled(inbox: Callable[[], Awaitable[Sequence]], becomes: Callable[..., Awaitable[object]]):
    """`await all_handled()`: returns when every row of the inbox is."""

    async def are() -> bool:
        return not [row for row in await inbox() if row["handled_at"] is None]

    return lambda: becomes(are)
