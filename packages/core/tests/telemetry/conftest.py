"""Lines as bytes, in the form that is asked for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Literal

import pytest

from core.telemetry.exchange import Identity
from core.telemetry.logs import logging_to


@pytest.fixture
def written() -> Iterator[Callable[..., list[bytes]]]:
    """`written(form="console")`: from here on, the lines of this process."""
    with ExitStack() as stack:

        def start(
            *, form: Literal["json", "console"] = "json", level: str = "info", process: Identity | None = None
        ) -> list[bytes]:
            lines: list[bytes] = []
            stack.enter_context(logging_to(lines.append, level=level, form=form, process=process))
            return lines

        yield start
