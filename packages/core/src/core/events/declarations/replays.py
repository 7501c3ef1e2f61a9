"""How a slice tells again what is: the current state of everything it announces, for a consumer that starts anew."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

# The second argument is the service's resources, whose room stands above this one.
Count = Callable[[AsyncSession, Any], Awaitable[int]]
Retell = Callable[[AsyncSession, Any, UUID | None, int], Awaitable[Sequence[UUID]]]


@dataclass(frozen=True, slots=True)
class Replay:
    """One kind of thing that can be told again."""

    name: str
    count: Count
    retell: Retell


class Replays:
    """The replays of one slice."""

    def __init__(self) -> None:
        self.declared: list[Replay] = []

    def of(self, name: str, *, count: Count) -> Callable[[Retell], Retell]:
        """The function emits the current state of the next so many things, and returns their ids in order.

        It is given a session, the resources, the id after which to go on (None: from the first) and how many; what it
        emits commits with its session. It must read the rows `FOR SHARE`: a change that is under way then announces
        itself later than the state before it. `count` says how many there are, for the progress that is shown.

        Raises:
            ValueError: something of that name is told again already.
        """

        def register(retell: Retell) -> Retell:
            if any(replay.name == name for replay in self.declared):
                raise ValueError(f"{name} is told again twice")
            self.declared.append(Replay(name, count, retell))
            return retell

        return register
