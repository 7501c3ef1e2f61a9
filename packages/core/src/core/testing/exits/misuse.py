"""Responses that break the rules of ASGI: what they send is no HTTP response, or not a whole one."""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from core.testing.exits.layer import CANARY

_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
_PART = {"type": "http.response.body", "body": b"part", "more_body": True}
_WHOLE = {"type": "http.response.body", "body": b"whole"}

# By the name of the mistake, what is sent; each is refused before a byte of it leaves.
MISUSES: Mapping[str, tuple[Message, ...]] = {
    "nothing": (),
    "only-a-start": (_START,),
    "two-starts": (_START, _START, _WHOLE),
    "a-body-before-its-start": (_WHOLE, _START),
    "a-message-of-no-protocol": ({"type": "http.response.nonsense"},),
    "an-unfinished-status": ({**_START, "status": 100}, _WHOLE),
    "a-status-of-four-digits": ({**_START, "status": 1000}, _WHOLE),
    "a-header-of-two-lines": ({**_START, "headers": [(b"x-note", b"a\r\nset-cookie: session=forged")]}, _WHOLE),
}
# These are noticed when the response has begun.
LATE_MISUSES: Mapping[str, tuple[Message, ...]] = {
    "no-end": (_START, _PART),
    "a-start-within-the-body": (_START, _PART, _START),
}
# And these when it is over.
MISUSES_AFTERWARDS: Mapping[str, tuple[Message, ...]] = {
    "a-body-after-the-end": (_START, _WHOLE, _WHOLE),
    "a-start-after-the-end": (_START, _WHOLE, _START),
}


class Misuse(Response):
    """Sends these messages and nothing else."""

    def __init__(self, messages: tuple[Message, ...]) -> None:
        super().__init__()
        self._messages = messages

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Sends them."""
        for message in self._messages:
            await send(dict(message))


class FailsAfterItsEnd(Response):
    """Answers, and then fails."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers and fails."""
        await super().__call__(scope, receive, send)
        raise RuntimeError(CANARY)
