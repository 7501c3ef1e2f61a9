"""`python paced.py found=1,charged=2 serve`: billing, in a process that waits at these steps until the test opens them.

A step is open while nobody holds the advisory lock of its number in the database.
"""

import os
import sys
from threading import Thread
from typing import Any

import asyncpg

from billing.__main__ import main
from billing.biller.repository import DueQueries
from billing.payments.provider import Sandbox

STEPS: dict[str, tuple[type, str]] = {
    # The biller has read what is due, and has billed none of it.
    "found": (DueQueries, "page"),
    # The provider has charged, and has not answered.
    "charged": (Sandbox, "charge"),
}


def _plant(kind: type, name: str, lock: int) -> None:
    work = getattr(kind, name)

    async def paced(self: Any, *given: Any, **named: Any) -> Any:
        done = await work(self, *given, **named)
        if done:
            await _pass(lock)
        return done

    setattr(kind, name, paced)


async def _pass(lock: int) -> None:
    database = await asyncpg.connect(os.environ["BILLING_DATABASE__URL"])
    try:
        await database.execute("SELECT pg_advisory_lock_shared($1)", lock)
    finally:
        database.terminate()


def _follow_to_the_end() -> None:
    """Nobody else ends it when the test run has been killed itself."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    Thread(target=_follow_to_the_end, daemon=True).start()
    for step in sys.argv.pop(1).split(","):
        name, _, lock = step.partition("=")
        _plant(*STEPS[name], int(lock))
    main()
