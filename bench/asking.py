"""One request to an application in the same process: what a server would do, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from bench.rounds import Call

CONNECTION: Scope = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "scheme": "http",
    "query_string": b"",
    "root_path": "",
    "client": ("192.0.2.7", 50_000),
    "server": ("192.0.2.1", 80),
}
HEADERS = {"host": "api.example", "user-agent": "bench", "accept": "*/*"}


class UnexpectedStatusError(Exception):
    """The answer is not the one whose cost was to be measured."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, again and again; `key` makes an Idempotency-Key for each."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    key: Callable[[], str] | None = None

    def scopes(self, state: Mapping[str, Any]) -> Callable[[], Scope]:
        """What makes the scope of the next one."""
        sent = {**HEADERS, **self.headers}
        if self.body:
            sent |= {"content-type": "application/json", "content-length": str(len(self.body))}
        fields = [(name.encode(), value.encode()) for name, value in sent.items()]
        scope = {**CONNECTION, "method": self.method, "path": self.path, "raw_path": self.path.encode()}

        def make() -> Scope:
            keys = [(b"idempotency-key", self.key().encode())] if self.key else []
            return {**scope, "headers": [*fields, *keys], "state": dict(state)}

        return make


async def asking(app: ASGIApp, request: Request, *, status: int, state: Mapping[str, Any] | None = None) -> Call:
    """A call that sends the request once; tried here, so that nothing but `status` is ever measured.

    Raises:
        UnexpectedStatusError: the answer has another status.
    """
    scope_of_next = request.scopes(state or {})
    message = {"type": "http.request", "body": request.body, "more_body": False}
    statuses: list[int] = []

    async def receive() -> Message:
        return message

    async def note(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def ignore(_message: Message) -> None:
        """Measured without looking."""

    async def call() -> None:
        await app(scope_of_next(), receive, ignore)

    await app(scope_of_next(), receive, note)
    if statuses != [status]:
        raise UnexpectedStatusError(f"{request.method} {request.path} was answered {statuses}, not {status}")
    return call
