"""The request whose body comes in chunks, which may turn out not to be any."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import DomainError
from core.middleware.guard import CLOSE
from core.web.problems import status_of


class ChunkedBody:
    """Serves one request; what its body is refused for is raised where it is read."""

    __slots__ = ("app", "refusal")

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.refusal: DomainError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the request."""

        async def read() -> Message:
            message = await receive()
            if self.refusal is not None:
                # FastAPI passes on this type alone of what breaks while it reads a body.
                raise HTTPException(status_of(type(self.refusal)), headers=CLOSE) from self.refusal
            return message

        await self.app(scope, read, send)
