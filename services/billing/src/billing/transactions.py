"""Transactions of their own, for what is written before the provider is asked, and without a request."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from core.dependencies import Session
from core.resources import Resources

Built = TypeVar("Built")


def own_transactions(
    build: Callable[[Session, Resources], Built], resources: Resources
) -> Callable[[], AbstractAsyncContextManager[Built]]:
    """Each time it is called it opens one, and gives what is built in it; committed unless something is raised."""

    @asynccontextmanager
    async def begin() -> AsyncGenerator[Built]:
        async with resources.database.transaction() as session:
            yield build(session, resources)

    return begin
