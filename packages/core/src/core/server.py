"""Runs one application in one process: uvicorn with every limit written out, and an exit that says what happened."""

import asyncio
import errno
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.dependencies.resources import READINESS
from core.lifespan import StartupError
from core.redaction import redact
from core.settings import ServerSettings

EXIT_OK = 0
# It stopped, but not as it should: work was cut off, or a resource did not close.
EXIT_UNCLEAN = 1
EXIT_STARTUP = 3
TICK_S = 0.1
# How long cancelled requests may clean up: most of them roll back, and that is all.
CANCEL_GRACE_S = 2.0

log = structlog.get_logger("core.server")


class ListenError(Exception):
    """The address cannot be listened on; the text is one sentence that says why."""


def listen(host: str, port: int, *, backlog: int = 2048) -> socket.socket:
    """A listening socket; taken before anything starts, so that a port in use costs nothing.

    Raises:
        ListenError: another process listens there, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # At once: two sockets may be bound to one address, but only one may listen.
        listener.listen(backlog)
    except OSError as failed:
        listener.close()
        if failed.errno == errno.EADDRINUSE:
            message = f"Port {port} on {host} is in use by another process; choose another with --port."
        else:
            message = f"Cannot listen on port {port} of {host}: {failed.strerror or failed}."
        raise ListenError(message) from None
    return listener


class ChassisServer(uvicorn.Server):
    """uvicorn, but a signal first turns `/readyz` to 503, and ends the process with an exit code that is ours."""

    def __init__(self, config: uvicorn.Config, *, drain_delay_s: float) -> None:
        super().__init__(config)
        self._drain_delay_s = drain_delay_s

    async def main_loop(self) -> None:
        """Serves until a signal, and for `drain_delay_s` longer: whoever sends requests has to hear of it first."""
        await super().main_loop()
        readiness = self.lifespan.state.get(READINESS)
        if readiness is not None:
            readiness.draining = True
        for tick in range(round(self._drain_delay_s / TICK_S)):
            if self.force_exit:
                break
            await self.on_tick(tick)
            await asyncio.sleep(TICK_S)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends the server on SIGINT and SIGTERM; the signal is not raised again, so the exit code stays ours."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


class _Watched:
    """Sees how the application starts and stops, and stops it only after its last request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.failure: BaseException | None = None
        # What uvicorn did not wait for any longer, and what of it did not even end when it was cancelled.
        self.cut_off: list[str] = []
        self.stuck: list[str] = []
        self._requests: dict[asyncio.Task[object] | None, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        task = asyncio.current_task()
        self._requests[task] = f"{scope['method']} {scope['path']}"
        try:
            await self.app(scope, receive, send)
        finally:
            del self._requests[task]

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def after_the_last_request() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown" and self._requests:
                await self._end_requests()
            return message

        async def quiet(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                # One sentence says it, in place of a traceback.
                message["message"] = ""
            await send(message)

        try:
            await self.app(scope, after_the_last_request, quiet)
        except BaseException as failure:
            self.failure = failure
            raise

    async def _end_requests(self) -> None:
        """Waits for those that uvicorn has just cancelled: their cleaning up needs what is about to close."""
        self.cut_off = list(self._requests.values())
        await asyncio.wait([task for task in self._requests if task], timeout=CANCEL_GRACE_S)
        self.stuck = list(self._requests.values())
        log.error("requests were cut off", requests=self.cut_off, stuck=self.stuck)


def serve(app: ASGIApp, settings: ServerSettings, *, listener: socket.socket) -> int:
    """Serves until a signal; returns the exit code of the process."""
    watched = _Watched(app)
    config = uvicorn.Config(
        watched,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # The walk through trusted proxies is the chassis' own.
        proxy_headers=False,
        backlog=settings.backlog,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.graceful_timeout_s,
        # Without it, one request can see the context of another on the same connection.
        reset_contextvars=True,
    )
    uvicorn_log = logging.getLogger("uvicorn")
    uvicorn_log.setLevel(logging.WARNING)
    server = ChassisServer(config, drain_delay_s=settings.drain_delay_s)
    runner = asyncio.Runner(loop_factory=config.get_loop_factory())
    try:
        runner.run(server.serve(sockets=[listener]))
    except SystemExit:
        # uvicorn's way to say that the application did not start.
        sys.stderr.write(f"{redact(_sentence(watched.failure))}\n")
        return EXIT_STARTUP
    finally:
        if server.force_exit:
            # Whoever insisted wants no story of what was cut off on the way.
            uvicorn_log.setLevel(logging.CRITICAL)
        if not watched.stuck:
            # It waits for every task, and those would never end.
            runner.close()
        uvicorn_log.setLevel(logging.WARNING)
    return EXIT_UNCLEAN if watched.failure or watched.cut_off or server.force_exit else EXIT_OK


def _sentence(failure: BaseException | None) -> str:
    if isinstance(failure, StartupError):
        return str(failure)
    # Nobody foresaw it: whoever has to find it needs the traceback, too.
    log.critical("the application did not start", exc_info=failure)
    return f"The application did not start: {type(failure).__name__}: {failure}"
