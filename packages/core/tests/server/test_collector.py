"""The garbage collector has nothing to do with what was built at the start."""

import gc
import weakref
from types import SimpleNamespace

import pytest
import uvicorn

from core.server import ChassisServer
from core.watchdog import Watchdog


class Built:
    """Something of the start, in a circle, so that only the collector finds that nobody has it any more."""

    def __init__(self) -> None:
        self.itself = self


class Looking(ChassisServer):
    """A server that looks at the collector while it serves, and ends."""

    def __init__(self) -> None:
        config = uvicorn.Config("unused:app", log_config=None)
        super().__init__(config, drain_delay_s=0, watchdog=Watchdog(stall_s=1, exchange_of=lambda _: None))
        self.lifespan = SimpleNamespace(state={})
        self.built, self.garbage = Built(), weakref.ref(Built())

    async def on_tick(self, counter: int) -> bool:
        self.looked_through = any(each is self.built for each in gc.get_objects())
        self.garbage_left = self.garbage() is not None
        return True


@pytest.fixture
def _no_collection_by_chance():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collection_by_chance")
async def test_what_was_built_at_the_start_is_set_aside_without_its_garbage_while_requests_are_served():
    server = Looking()
    assert server.garbage() is not None
    await server.main_loop()
    assert not server.looked_through
    assert not server.garbage_left
    assert any(each is server.built for each in gc.get_objects())
