"""Serves the example for a test that kills it: `python killed.py SETTINGS`; its first line is the port.

A request stops for ever at the step that its key names, and says so in a line.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from example.app import Settings, create_app
from example.things.service import Things
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.idempotency import Claims
from core.server import listen, serve


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def stop(step: str, key: str) -> None:
    if key == step:
        say(step)
        await asyncio.sleep(600)


def stopping(
    step: Callable[..., Awaitable[Any]], *, key: Callable[..., str], before: str = "", after: str = ""
) -> Callable[..., Awaitable[Any]]:
    """`step`, which stops before and after for the requests with these keys."""

    async def run(*given: Any, **named: Any) -> Any:
        await stop(before, key(*given))
        result = await step(*given, **named)
        await stop(after, key(*given))
        return result

    return run


def unanswered(app: ASGIApp) -> ASGIApp:
    """`app`, whose answer does not leave for the request that stops when all is done."""

    async def serve_one(scope: Scope, receive: Receive, send: Send) -> None:
        key = dict(scope.get("headers", ())).get(b"idempotency-key", b"").decode()

        async def held(message: Message) -> None:
            await stop("committed", key)
            await send(message)

        await app(scope, receive, held)

    return serve_one


def main() -> None:
    settings = Settings.model_validate(json.loads(sys.argv[1]))
    # A thing has the name of its key.
    vars_of_make = {"key": lambda _things, name: name, "before": "claimed", "after": "worked"}
    Things.make = stopping(Things.make, **vars_of_make)  # type: ignore[method-assign]
    Claims.complete = stopping(  # type: ignore[method-assign]
        Claims.complete, key=lambda _claims, _session, claim, _answer: claim.ticket.key, after="stored"
    )
    listener = listen("127.0.0.1", 0)
    say(listener.getsockname()[1])
    serve(unanswered(create_app(settings)), settings.server, listener=listener)


if __name__ == "__main__":
    main()
