"""One replica of a service as a process: `python replica.py MODE DATABASE_URL`; it serves until a signal."""

import asyncio
import sys
from datetime import timedelta

from example.app import Settings
from sqlalchemy import text

import core.jobs.runner
from core.application import service
from core.jobs import Jobs
from core.ports import Ports
from core.resources import Resources
from core.server import listen, serve
from core.telemetry.logs import logging_to_stdout

MODE, DATABASE_URL = sys.argv[1:]
jobs = Jobs()


@jobs.every(timedelta(seconds=1), timeout=timedelta(seconds=60))
async def note(resources: Resources) -> None:
    """Notes that it runs; in the mode `hangs` it does not end."""
    insert = text("INSERT INTO notes SELECT :mode, started_at FROM jobs WHERE name = 'note'")
    async with resources.database.transaction() as session:
        await session.execute(insert, {"mode": MODE})
    if MODE == "hangs":
        await asyncio.sleep(60)


def main() -> int:
    core.jobs.runner.PAUSE_S_MAX = 0.5
    settings = Settings.model_validate(
        {"environment": "local", "public_url": "http://127.0.0.1", "database": {"url": DATABASE_URL}}
    )
    app = service("example", settings, Ports(), routers=[], jobs=[jobs])
    with listen("127.0.0.1", 0) as listener, logging_to_stdout(level="info", form="json"):
        return serve(app, settings.server, listener=listener)


if __name__ == "__main__":
    sys.exit(main())
