"""The server's side of the ASGI lifespan protocol: starts an application in a task of its own, and stops it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Message

from core.lifespan.opener import StartupError


@asynccontextmanager
async def started(app: ASGIApp, *, name: str) -> AsyncIterator[dict[str, Any]]:
    """Runs the lifespan of `app`; gives the state that its requests see.

    Its own task lets an application use task groups in its lifespan, and keeps the failure of one out of the others.

    Raises:
        StartupError: it did not start; the text names it and the cause.
    """
    state: dict[str, Any] = {}
    conversation = _Conversation()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}

    async def run() -> None:
        await app(scope, conversation.receive, conversation.send)

    task = asyncio.create_task(run(), name=f"{name} lifespan")
    failure = None
    try:
        await conversation.tell("lifespan.startup", task)
        if task.done():
            _raise(name, task.exception(), conversation.failure)
        try:
            yield state
        finally:
            if not task.done():
                await conversation.tell("lifespan.shutdown", task)
                await asyncio.wait([task])
            failure = task.exception()
    finally:
        if not task.done():
            # Whoever waited for it was cancelled.
            task.cancel()
            await asyncio.wait([task])
    if failure is not None:
        raise failure


def _raise(name: str, failure: BaseException | None, told: str) -> None:
    if isinstance(failure, StartupError):
        raise failure
    cause = f"{type(failure).__name__}: {failure}" if failure else told or "its lifespan ended without a word"
    message = f"{name} did not start: {cause}"
    raise StartupError(message) from failure


class _Conversation:
    """What the server says to one application, and whether it has answered."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answered = asyncio.Event()
        self.failure = ""

    async def receive(self) -> Message:
        return await self._events.get()

    async def send(self, message: Message) -> None:
        if message["type"].endswith(".failed"):
            # No answer to wait for: the application ends now, and how it ends says more.
            self.failure = message.get("message", "")
        else:
            self._answered.set()

    async def tell(self, event: str, task: asyncio.Task[None]) -> None:
        """Sends one event and waits until it is answered, or the application's task has ended."""
        self._answered.clear()
        await self._events.put({"type": event})
        answered = asyncio.create_task(self._answered.wait())
        try:
            await asyncio.wait([answered, task], return_when=asyncio.FIRST_COMPLETED)
        finally:
            answered.cancel()
