"""What a slice announces: each type of event, and the shape of what it tells."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from pydantic import BaseModel


class Announced(BaseModel, frozen=True, extra="forbid"):
    """The state that an event tells; a slice derives one model for each kind of thing that it announces."""


AnnouncedT = TypeVar("AnnouncedT", bound=Announced)


class UndeclaredEvent(Exception):
    """A service emits what it does not declare, or in another shape: nobody would handle it, and nobody would know."""


class Announcements:
    """The events of one slice that other services may handle."""

    def __init__(self) -> None:
        self.types: dict[str, type[Announced]] = {}

    def tells(self, *types: str) -> Callable[[type[AnnouncedT]], type[AnnouncedT]]:
        """The model is what events of these types tell: `@announcements.tells("user.activated", "user.updated")`.

        Raises:
            ValueError: one of the types is declared already.
        """

        def register(model: type[AnnouncedT]) -> type[AnnouncedT]:
            for type_ in types:
                if type_ in self.types:
                    raise ValueError(f"{type_} is declared twice")
                self.types[type_] = model
            return model

        return register


def joined(tables: Iterable[Announcements]) -> Mapping[str, type[Announced]]:
    """The types of all slices of a service.

    Raises:
        ValueError: two slices declare one type.
    """
    types: dict[str, type[Announced]] = {}
    for table in tables:
        twice = types.keys() & table.types.keys()
        if twice:
            raise ValueError(f"{', '.join(sorted(twice))} is declared by two slices")
        types |= table.types
    return types
