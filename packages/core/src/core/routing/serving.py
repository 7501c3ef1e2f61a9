"""Which app serves the current request: what route objects that apps share have to ask."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from fastapi import FastAPI

# Set by an app's __call__ and reset on its way out, so that an app mounted in another is the one that serves.
serving: ContextVar[FastAPI | None] = ContextVar("serving", default=None)


class ServingOverrides:
    """Stands where FastAPI looks for `dependency_overrides`: they are those of the app that serves the request."""

    @property
    def dependency_overrides(self) -> dict[Callable[..., Any], Callable[..., Any]]:
        app = serving.get()
        return {} if app is None else app.dependency_overrides
