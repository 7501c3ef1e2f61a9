"""Finds answers that leave before their transaction is committed: if that fails, nobody can be told any more."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from core.telemetry.exchange import Exchange, current_exchange


@contextmanager
def late_commits() -> Iterator[list[Exchange]]:
    """The requests of the block that have committed something after their answer began."""
    late: list[Exchange] = []

    def note(_connection: Any) -> None:
        exchange = current_exchange.get()
        if exchange is not None and exchange.status:
            late.append(exchange)

    event.listen(Engine, "commit", note)
    try:
        yield late
    finally:
        event.remove(Engine, "commit", note)
