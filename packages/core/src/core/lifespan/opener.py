"""Opens resources in order, each in bounded time and by name, and closes them in reverse whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Self, TypeVar

import structlog

from core.errors import DomainError
from core.lifespan.closing import current_closing

OPEN_TIMEOUT_S = 10
CLOSE_TIMEOUT_S = 5

T = TypeVar("T")
log = structlog.get_logger("core.lifespan")


class StartupError(Exception):
    """A part of the process did not start; its text names the part and the cause."""


class Opener:
    """The open resources of one service, closed in reverse order when the block ends."""

    def __init__(
        self, service: str, *, open_timeout_s: float = OPEN_TIMEOUT_S, close_timeout_s: float = CLOSE_TIMEOUT_S
    ) -> None:
        self._service = service
        self._open_timeout_s = open_timeout_s
        self._close_timeout_s = close_timeout_s
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        # The failure is not shown to the resources: one that swallowed it would hide why the process stops.
        await self._stack.aclose()

    async def open(self, name: str, resource: AbstractAsyncContextManager[T]) -> T:
        """Opens `resource`; what was open stays open, and is closed when this one fails.

        Raises:
            StartupError: it failed, or took longer than `open_timeout_s`.
        """
        limit = asyncio.timeout(self._open_timeout_s)
        try:
            async with limit:
                return await self._stack.enter_async_context(self._bounded_close(name, resource))
        except Exception as failed:
            # Whatever a resource raises, the start fails with its name.
            if limit.expired():
                message = f"{self._service}: {name} did not open within {self._open_timeout_s:g} s"
                raise StartupError(message) from failed
            message = f"{self._service}: {name} did not open: {describe(failed)}"
            raise StartupError(message) from failed

    @asynccontextmanager
    async def _bounded_close(self, name: str, resource: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        opened = await resource.__aenter__()
        try:
            yield opened
        finally:
            await self._close(f"{self._service}.{name}", resource)

    async def _close(self, name: str, resource: AbstractAsyncContextManager[object]) -> None:
        closing = current_closing()
        try:
            with closing.step(f"resource {name}"):
                async with asyncio.timeout(closing.share_s(self._close_timeout_s)):
                    await resource.__aexit__(None, None, None)
        except Exception:
            # The others must close all the same.
            closing.overran.append(f"resource {name}")
            log.exception("resource did not close", resource=name)


def describe(failed: BaseException) -> str:
    """What failed, in one line, with the cause that a refusal carries."""
    text = failed.detail if isinstance(failed, DomainError) else f"{type(failed).__name__}: {failed}"
    return f"{text} ({failed.__cause__})" if failed.__cause__ is not None else text
