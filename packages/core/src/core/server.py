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

from core.lifespan import StartupError
from core.settings import ServerSettings

EXIT_OK = 0
EXIT_STARTUP = 3

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
    """uvicorn, but a signal ends it with an exit code that is ours."""

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


class _Startup:
    """Keeps why the application did not start, for one sentence in place of a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.failure: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return

        async def quiet(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed":
                message["message"] = ""
            await send(message)

        try:
            await self.app(scope, receive, quiet)
        except BaseException as failure:
            self.failure = failure
            raise


def serve(app: ASGIApp, settings: ServerSettings, *, listener: socket.socket) -> int:
    """Serves until a signal; returns the exit code of the process."""
    startup = _Startup(app)
    config = uvicorn.Config(
        startup,
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
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(ChassisServer(config).serve(sockets=[listener]))
    except SystemExit:
        # uvicorn's way to say that the application did not start.
        if not isinstance(startup.failure, StartupError):
            log.critical("the application did not start", exc_info=startup.failure)
        sys.stderr.write(f"{startup.failure}\n")
        return EXIT_STARTUP
    return EXIT_OK
