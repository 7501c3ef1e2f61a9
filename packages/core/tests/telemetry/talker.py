"""A service that says all kinds of things in all the ways there are: `python talker.py`; its first line is the port."""

import asyncio
import gc
import logging
import sys
import threading
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from core.application import ChassisApp, chassis
from core.routing import Router, public
from core.server import listen, serve
from core.settings import ChassisSettings
from core.telemetry.exchange import Identity
from core.telemetry.logs import logging_to_stdout

log = structlog.get_logger("talker")
router = Router(prefix="/v1/said", tags=["said"])
later: set[asyncio.Task[None]] = set()
followed = asyncio.Event()


@router.post("/by-libraries", status_code=204)
@public
async def by_libraries() -> None:
    for name in ("sqlalchemy.pool", "asyncpg", "nats.aio.client", "alembic.runtime.migration", "uvicorn.error"):
        logging.getLogger(name).warning("%s says\nso", name, extra={"value": float("nan"), "level": "odd"})
    logging.getLogger("careless").warning("%d", "none")


@router.post("/by-python", status_code=204)
@public
async def by_python() -> None:
    warnings.warn("old\n", UserWarning, stacklevel=1)
    thread = threading.Thread(target=fail)
    thread.start()
    await asyncio.to_thread(thread.join)
    Careless()
    task = asyncio.create_task(fail_later())
    await asyncio.wait([task])
    del task
    gc.collect()


@router.post("/after-the-answer", status_code=204)
@public
async def after_the_answer() -> None:
    followed.clear()
    log.info("answers")
    task = asyncio.create_task(speak_later())
    later.add(task)
    task.add_done_callback(later.discard)


@router.post("/next", status_code=204)
@public
async def next_() -> None:
    log.info("follows")
    followed.set()


@router.post("/odd", status_code=204)
@public
async def odd() -> None:
    ring: dict[str, Any] = {}
    ring["again"] = ring
    log.info("odd", value=["\x1b[31m\r\n\u2028\ud800", float("inf"), b"\xff", ring, "x" * 1_000_000])


@router.post("/crash", status_code=204)
@public
async def crash() -> None:
    fail()


def fail() -> None:
    raise RuntimeError("line\nbreak \ud800")


async def fail_later() -> None:
    fail()


async def speak_later() -> None:
    """When the next request is answered."""
    await followed.wait()
    log.info("speaks later")


class Careless:
    """Its end fails."""

    def __del__(self) -> None:
        fail()


@asynccontextmanager
async def nothing_to_open(_readiness: object) -> AsyncIterator[dict[str, Any]]:
    yield {}


def build() -> ChassisApp:
    # What a machine under load does is none of its lines.
    server = {"close_timeout_s": 1, "loop_stall_ms": 10_000}
    settings = ChassisSettings(environment="local", public_url="http://talker.test", server=server)
    return chassis("talker", settings, routers=[router], lifespan=nothing_to_open)


def main() -> int:
    listener = listen("127.0.0.1", 0)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    app = build()
    with logging_to_stdout(level="info", form="json", process=Identity.of("talker", "local")):
        return serve(app, app.settings.server, listener=listener)


if __name__ == "__main__":
    sys.exit(main())
