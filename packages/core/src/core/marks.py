"""Marks: what a decorator leaves on a handler or a dependency for those who look at its route."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")
Function = TypeVar("Function", bound=Callable[..., Any])


class Mark(Generic[Value]):
    """One kind of mark. What `functools.wraps` makes of a marked function has it, too."""

    def __init__(self, name: str) -> None:
        self._attribute = f"__{name}__"

    def put(self, value: Value) -> Callable[[Function], Function]:
        """A decorator that leaves `value` on a function."""

        def mark(function: Function) -> Function:
            setattr(function, self._attribute, value)
            return function

        return mark

    def of(self, marked: object) -> Value | None:
        """What was left on it; None where nothing was."""
        return getattr(marked, self._attribute, None)
