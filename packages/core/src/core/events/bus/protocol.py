"""What a bus does, whichever engine it stands on."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from core.events.event import Event

# How long a bus that stores events keeps them; and an outbox those that it has passed on.
KEPT = timedelta(days=7)
# How long a replica that died keeps a stream from being read.
TURN = timedelta(seconds=15)


class BusUnavailable(Exception):
    """The bus does not take events now; they wait where they are, and none of them is to blame."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a stream was read: stored together with what was read, if nobody else has read on from `after`."""

    stream: str
    after: int
    through: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A replica's turn to read a stream: from which position on, and when its last one was certainly under way."""

    position: int
    last_at: datetime | None


class Reader(Protocol):
    """The inbox of a service, as a bus sees it."""

    @property
    def service(self) -> str:
        """Whose inbox it is."""
        ...

    @property
    def foreign(self) -> Collection[tuple[str, str]]:
        """The source and the type of each event of other services that it takes."""
        ...

    async def receive(self, events: Sequence[Event], *, reading: Reading | None = None) -> bool:
        """Stores events for their handlers, each once however often it comes; ignores what nobody handles.

        Returns when they are committed; False, and nothing is stored, if another replica has read on meanwhile.

        Raises:
            DatabaseUnavailable: they are not stored, or nobody knows.
        """
        ...

    async def take_turn(self, stream: str, *, by: UUID) -> Turn | None:
        """Begins or goes on with reading a stream for `TURN`; None if it is another replica's turn.

        Raises:
            DatabaseUnavailable: nobody knows.
        """
        ...

    async def end_turn(self, stream: str, *, by: UUID) -> None:
        """Lets another replica read on at once, if it is this one's turn.

        Raises:
            DatabaseUnavailable: the turn ends by itself.
        """
        ...


class Bus(Protocol):
    """Carries what services announce; safe to use from every replica at once."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Returns when the engine has all of them, in their order for each subject; they may have come before.

        Raises:
            BusUnavailable: it does not, or nobody knows.
        """
        ...

    def feeding(self, reader: Reader) -> AbstractAsyncContextManager[None]:
        """While the block runs, what other services announce and `reader` takes is stored there, in order."""
        ...
