"""Counts the statements of requests: a list that asks once an item is seen here before it is slow anywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from core.database import Query
from core.database.reads import ReadSession
from core.telemetry.exchange import current_exchange


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The SQL that requests have sent since the block began; BEGIN and COMMIT aside, and what runs beside requests."""
    said: list[str] = []

    def note(statement: str) -> None:
        if current_exchange.get() is not None:
            said.append(statement)

    def note_execution(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        note(statement)

    def noting(read: Any) -> Any:
        async def noted(reads: ReadSession, query: Query[Any], /, **given: Any) -> Any:
            note(query.sql)
            return await read(reads, query, **given)

        return noted

    event.listen(Engine, "before_cursor_execute", note_execution)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("first", "all"):
                patch.setattr(ReadSession, name, noting(getattr(ReadSession, name)))
            yield said
    finally:
        event.remove(Engine, "before_cursor_execute", note_execution)
