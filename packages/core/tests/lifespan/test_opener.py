"""Resources open in order and close in reverse, whatever one of them does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from core.errors import Unavailable
from core.lifespan import Closing, Opener, StartupError, closing_by

Part = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def happened() -> list[str]:
    return []


@pytest.fixture
def part(happened: list[str]) -> Part:
    """`part("a", opens=…, closes=…)`: a resource that notes what happens to it, and may fail or hang."""

    async def does(what: Exception | float | None) -> None:
        if isinstance(what, Exception):
            raise what
        await asyncio.sleep(what or 0)

    @asynccontextmanager
    async def make(name: str, *, opens: Exception | float | None = None, closes: Exception | float | None = None):
        await does(opens)
        happened.append(f"{name} opened")
        try:
            yield name
        finally:
            await does(closes)
            happened.append(f"{name} closed")

    return make


async def test_resources_close_in_reverse_order(part, happened):
    async with Opener("example") as opener:
        assert [await opener.open(name, part(name)) for name in "abc"] == ["a", "b", "c"]
        happened.append("served")
    opened, closed = [f"{name} opened" for name in "abc"], [f"{name} closed" for name in "cba"]
    assert happened == [*opened, "served", *closed]


async def open_three(part: Part, third: AbstractAsyncContextManager[str], **limits: float) -> None:
    async with Opener("example", **limits) as opener:
        await opener.open("a", part("a"))
        await opener.open("b", part("b"))
        await opener.open("c", third)


async def test_one_that_does_not_open_is_named_and_the_others_are_closed(part, happened):
    with pytest.raises(StartupError) as raised:
        await open_three(part, part("c", opens=ValueError("no")))
    assert str(raised.value) == "example: c did not open: ValueError: no"
    assert happened == ["a opened", "b opened", "b closed", "a closed"]


async def test_the_cause_of_a_refusal_is_told(part):
    refusal = Unavailable("The store is closed.")
    refusal.__cause__ = ConnectionError("nobody answers")
    with pytest.raises(StartupError) as raised:
        await open_three(part, part("c", opens=refusal))
    assert str(raised.value) == "example: c did not open: The store is closed. (nobody answers)"


async def test_one_that_takes_too_long_to_open_is_named_and_the_others_are_closed(part, happened):
    with pytest.raises(StartupError) as raised:
        await open_three(part, part("c", opens=60.0), open_timeout_s=0.3)
    assert str(raised.value) == "example: c did not open within 0.3 s"
    assert happened == ["a opened", "b opened", "b closed", "a closed"]


async def test_a_time_limit_that_a_resource_has_of_its_own_is_told_as_its_own(part):
    with pytest.raises(StartupError) as raised:
        await open_three(part, part("c", opens=TimeoutError("no answer within 3 s")))
    assert str(raised.value) == "example: c did not open: TimeoutError: no answer within 3 s"


@pytest.mark.parametrize("trouble", [RuntimeError("no"), 60.0], ids=["raises", "hangs"])
async def test_one_that_does_not_close_keeps_no_other_open(part, happened, logs, trouble):
    async with Opener("example", close_timeout_s=0.3) as opener:
        await opener.open("a", part("a"))
        await opener.open("b", part("b", closes=trouble))
        await opener.open("c", part("c"))
    assert happened[3:] == ["c closed", "a closed"]
    assert [line["resource"] for line in logs if line["event"] == "resource did not close"] == ["example.b"]


async def test_all_that_hang_have_one_limit_together_and_are_named_and_the_others_close(part, happened, logs):
    closing = Closing(timeout_s=0.4)
    with closing_by(closing):
        async with asyncio.timeout(30), Opener("example", close_timeout_s=60) as opener:
            await opener.open("a", part("a"))
            for name in "bcd":
                await opener.open(name, part(name, closes=60.0))
            closing.begin()
    assert happened[4:] == ["a closed"]
    assert closing.overran == [f"resource example.{name}" for name in "dcb"]
    assert [line["resource"] for line in logs] == [f"example.{name}" for name in "dcb"]


async def test_the_failure_of_the_block_is_not_shown_to_resources(happened):
    @asynccontextmanager
    async def swallowing() -> AsyncIterator[None]:
        try:
            yield
        except RuntimeError:
            happened.append("swallowed")

    async def fail() -> None:
        async with Opener("example") as opener:
            await opener.open("a", swallowing())
            raise RuntimeError("why the process stops")

    with pytest.raises(RuntimeError, match="why the process stops"):
        await fail()
    assert happened == []


async def test_a_cancelled_close_closes_the_others_all_the_same(part, happened):
    async def serve() -> None:
        async with Opener("example") as opener:
            await opener.open("a", part("a"))
            await opener.open("b", part("b", closes=60.0))

    task = asyncio.create_task(serve())
    while "b opened" not in happened:  # noqa: ASYNC110 - a resource has no event for it
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert happened == ["a opened", "b opened", "a closed"]
