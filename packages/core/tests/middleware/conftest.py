"""The operations of the test kit over a chassis without a database, and what the log says of each."""

from collections.abc import Callable
from typing import Any

import pytest
from bare import bare
from starlette.types import ASGIApp

from core.application import ChassisApp
from core.mount import ServiceMount
from core.testing.exits import exits


@pytest.fixture
def app() -> ChassisApp:
    return bare(exits)


@pytest.fixture(params=["standalone", "mounted"])
def placed(request: pytest.FixtureRequest) -> Callable[[ChassisApp], tuple[ASGIApp, str]]:
    """`placed(app)`: what to speak ASGI to, and the path before the application's own; not started, for a Wire."""
    if request.param == "standalone":
        return lambda app: (app, "")
    return lambda app: (ServiceMount("example", app), "/example")


Lines = list[dict[str, Any]]


@pytest.fixture
def requests(logs: Lines) -> Callable[[], Lines]:
    """The access lines so far."""
    return lambda: [line for line in logs if line["event"] == "request"]


@pytest.fixture
def tracebacks(logs: Lines) -> Callable[[], Lines]:
    """The lines so far that hold a traceback."""
    return lambda: [line for line in logs if "exception" in line]
