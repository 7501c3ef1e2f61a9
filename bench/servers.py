"""One server of a subject, as it runs in production: `python -m bench.servers SUBJECT PORT DATABASE_URL FOLDER`."""

import os
import sys
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from bench.machine import stay_on


def main() -> None:
    """Serves it on the first processor, until it is told to stop."""
    subject, port, database_url, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    stay_on(last=False)
    match subject:
        case "chassis":
            _serve_chassis(port, database_url, folder)
        case "blueprint":
            from bench.blueprint import create_app  # noqa: PLC0415 - each process imports what it serves

            os.environ["APP_DATABASE_URL"] = database_url.replace("postgresql://", "postgresql+asyncpg://", 1)
            _serve(create_app(), port)
        case _:
            from bench.starlette_rows import create_app  # noqa: PLC0415 - as above

            _serve(create_app(database_url), port)


def _serve(app: ASGIApp, port: int) -> None:
    uvicorn.run(
        app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )


def _serve_chassis(port: int, database_url: str, folder: Path) -> None:
    from bench.service import create_app, settings_for  # noqa: PLC0415 - as above
    from core.server import listen, serve  # noqa: PLC0415 - as above
    from core.telemetry.logs import logging_to_stdout  # noqa: PLC0415 - as above

    settings = settings_for(database_url, folder)
    with listen("127.0.0.1", port) as listener, logging_to_stdout(level="info", form="json"):
        serve(create_app(database_url, folder), settings.server, listener=listener)


if __name__ == "__main__":
    main()
