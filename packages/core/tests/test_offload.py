"""Work in threads: a place for so much, a queue for so much, and a refusal for the rest."""

import asyncio
import threading
from functools import partial

import pytest

from core.offload import Overloaded, open_offload


@pytest.fixture
async def narrow():
    """A place for one, and a queue for one."""
    async with open_offload("tests", concurrency=1, queue_max=1) as offload:
        yield offload


async def test_a_caller_who_leaves_frees_the_place_only_when_the_work_is_done(narrow):
    release = threading.Event()
    leaving = asyncio.create_task(narrow(partial(release.wait, 30)))
    await asyncio.sleep(0.01)
    leaving.cancel()
    waiting = asyncio.create_task(narrow(lambda: "done"))
    await asyncio.sleep(0.01)
    with pytest.raises(Overloaded):
        await narrow(lambda: "refused")
    release.set()
    assert await waiting == "done"


async def test_a_caller_who_leaves_the_queue_frees_their_place_in_it(narrow):
    release = threading.Event()
    running_ = asyncio.create_task(narrow(partial(release.wait, 30)))
    waiting = asyncio.create_task(narrow(lambda: "gone"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.sleep(0)
    after = asyncio.create_task(narrow(lambda: "done"))
    await asyncio.sleep(0.01)
    release.set()
    assert await running_
    assert await after == "done"


async def test_the_loop_runs_on_while_a_thread_works(narrow):
    release = threading.Event()
    working = asyncio.create_task(narrow(partial(release.wait, 30)))
    await asyncio.sleep(0.01)
    assert not working.done()
    release.set()
    assert await working


async def test_who_has_a_place_is_not_refused_later_and_one_that_is_not_used_is_free_again(narrow):
    release = threading.Event()
    running_ = asyncio.create_task(narrow(partial(release.wait, 30)))
    await asyncio.sleep(0)
    with narrow.place() as place:
        with pytest.raises(Overloaded):
            await narrow(lambda: "refused")
        release.set()
        assert await place(lambda: "done") == "done"
    with narrow.place(), narrow.place(), pytest.raises(Overloaded), narrow.place():
        pass
    assert await running_
    assert await narrow(lambda: "free") == "free"
