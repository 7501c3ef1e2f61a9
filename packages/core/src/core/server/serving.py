"""From the first request to the exit code."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import cast

import structlog
import uvicorn
from starlette.types import ASGIApp

from core.lifespan import Closing, StartupError, closing_by
from core.middleware.edge import exchange_of
from core.redaction import redact
from core.server.http_protocol import ChassisProtocol, Limits
from core.server.in_flight import InFlight
from core.server.room import room_for
from core.server.tasks import END_S, end_tasks
from core.server.threads import Threads
from core.server.turns import Turns
from core.server.unheard import let_in
from core.server.uvicorn_server import ChassisServer
from core.settings import EXIT_S, ServerSettings
from core.watchdog import Watchdog, loop_lag

EXIT_OK = 0
# It stopped, but not as it should: work was cut off, or a resource did not close.
EXIT_UNCLEAN = 1
EXIT_STARTUP = 3
# How late all steps of the stop may be together: who exceeds the grace is killed, and has no exit code of its own.
MARGIN_S = 0.5

# uvloop accepts one connection of a socket in each turn of the loop; a probe, which opens one, would wait for a turn
# of every connection before it.
ACCEPTS_MAX = 32

log = structlog.get_logger("core.server")


def serve(app: ASGIApp, settings: ServerSettings, *, listener: socket.socket) -> int:
    """Serves until a signal; returns the exit code of the process."""
    settings = settings.model_copy(update={"connections_max": room_for(settings.connections_max)})
    closing = Closing(timeout_s=settings.close_timeout_s)
    in_flight = InFlight(Turns(app), closing=closing)
    config = configured(in_flight, settings)
    watchdog = Watchdog(stall_s=settings.loop_stall_ms / 1000, exchange_of=exchange_of)
    server = ChassisServer(config, drain_delay_s=settings.drain_delay_s, watchdog=watchdog, closing=closing)
    token = loop_lag.set(watchdog.lag)
    try:
        with closing_by(closing), _running(config, server, closing) as runner, ExitStack() as until_then:
            let_in(listener)
            # What does not start does not close them, either.
            others = [until_then.enter_context(listener.dup()) for _ in range(ACCEPTS_MAX - 1)]
            runner.run(server.serve(sockets=[listener, *others]))
    except SystemExit:
        # uvicorn's way to say that the application did not start.
        sys.stderr.write(f"{redact(_sentence(in_flight.failure))}\n")
        return EXIT_STARTUP
    finally:
        loop_lag.reset(token)
    is_unclean = in_flight.failure or closing.overran or closing.stuck or server.force_exit
    code = EXIT_UNCLEAN if is_unclean else EXIT_OK
    log.info("stopped", exit_code=code)
    return code


@contextmanager
def _running(config: uvicorn.Config, server: ChassisServer, closing: Closing) -> Iterator[asyncio.Runner]:
    """The loop that the server runs in; when the block ends, all that works for it has ended, or is left behind."""
    uvicorn_log = logging.getLogger("uvicorn")
    uvicorn_log.setLevel(logging.WARNING)
    threads, workers = Threads(), ThreadPoolExecutor(thread_name_prefix="worker")
    runner = asyncio.Runner(loop_factory=config.get_loop_factory())
    runner.get_loop().set_default_executor(workers)
    try:
        yield runner
    finally:
        if not (server.force_exit or closing.stuck) and (left := runner.run(end_tasks(closing.share_s(END_S)))):
            closing.stuck += left
            log.error("tasks were left behind", stuck=left)
        workers.shutdown(wait=False, cancel_futures=True)
        if busy := threads.busy_after(lambda: 0 if server.force_exit else closing.left_s() or 0):
            closing.stuck += busy
            log.error("threads did not end", stuck=busy)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if server.force_exit:
            # Whoever insisted wants no story of what was cut off on the way.
            uvicorn_log.setLevel(logging.CRITICAL)
        if closing.stuck or server.force_exit:
            _leave_all_the_same(EXIT_UNCLEAN if server.started else EXIT_STARTUP)
        if not closing.stuck:
            runner.close()
        uvicorn_log.setLevel(logging.WARNING)


def _leave_all_the_same(code: int) -> None:
    """Ends the process soon: neither the loop nor the interpreter would, while a task or a thread of it works."""
    leaving = threading.Timer(EXIT_S - MARGIN_S, os._exit, (code,))
    leaving.daemon = True
    leaving.start()


def configured(app: ASGIApp, settings: ServerSettings) -> uvicorn.Config:
    """Tells uvicorn to serve this application, every limit written out."""
    limits = Limits(
        connections_max=settings.connections_max,
        head_max_bytes=settings.head_max_bytes,
        head_timeout_s=settings.head_timeout_s,
        send_timeout_s=settings.send_timeout_s,
    )
    return uvicorn.Config(
        app,
        loop="uvloop",
        # What uvicorn takes for a class is what makes one object a connection.
        http=cast("type[ChassisProtocol]", partial(ChassisProtocol, limits=limits)),
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


def _sentence(failure: BaseException | None) -> str:
    if isinstance(failure, StartupError):
        return str(failure)
    # Nobody foresaw it: whoever has to find it needs the traceback, too.
    log.critical("the application did not start", exc_info=failure)
    return f"The application did not start: {type(failure).__name__}: {failure}"
