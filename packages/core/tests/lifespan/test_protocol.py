"""The server's side of the lifespan protocol, against applications that keep it and some that do not."""

import asyncio

import pytest

from core.lifespan import StartupError, started


class App:
    """An application that answers as a test tells it to."""

    def __init__(self, **answers: str) -> None:
        """`startup="raise"`: raises then; so "return" and "hang"; another word is the type of the answer."""
        self.answers = {"startup": "lifespan.startup.complete", "shutdown": "lifespan.shutdown.complete", **answers}
        self.heard: list[str] = []

    async def __call__(self, scope, receive, send) -> None:
        assert scope["type"] == "lifespan"
        scope["state"]["opened"] = "pool"
        try:
            while not self.heard or not self.heard[-1].endswith("shutdown"):
                message = await receive()
                self.heard.append(message["type"])
                answer = self.answers[message["type"].removeprefix("lifespan.")]
                if answer == "raise":
                    raise RuntimeError("broken pipe")
                if answer == "return":
                    return
                if answer == "hang":
                    await asyncio.sleep(60)
                await send({"type": answer, "message": "the port is taken"})
                if answer.endswith(".failed"):
                    return
        except asyncio.CancelledError:
            self.heard.append("cancelled")
            raise


async def test_an_application_is_started_and_stopped_and_gives_its_state():
    app = App()
    async with started(app, name="example") as state:
        assert app.heard == ["lifespan.startup"]
        assert state == {"opened": "pool"}
    assert app.heard == ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("raise", "example did not start: RuntimeError: broken pipe"),
        ("return", "example did not start: its lifespan ended without a word"),
        ("lifespan.startup.failed", "example did not start: the port is taken"),
    ],
)
async def test_an_application_that_does_not_start_says_why(answer, text):
    with pytest.raises(StartupError) as raised:
        async with started(App(startup=answer), name="example"):
            pass
    assert str(raised.value) == text


async def test_the_reason_of_a_service_is_passed_on_as_it_is():
    async def app(scope, receive, send) -> None:
        raise StartupError("example: database did not open")

    with pytest.raises(StartupError) as raised:
        async with started(app, name="example"):
            pass
    assert str(raised.value) == "example: database did not open"


async def test_an_application_that_never_answers_can_be_given_up():
    app = App(startup="hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), started(app, name="example"):
            pass
    assert app.heard == ["lifespan.startup", "cancelled"]


async def test_an_application_that_does_not_stop_can_be_given_up():
    app = App(shutdown="hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), started(app, name="example"):
            pass
    assert app.heard == ["lifespan.startup", "lifespan.shutdown", "cancelled"]


async def test_an_application_that_fails_to_stop_is_told():
    with pytest.raises(RuntimeError, match="broken pipe"):
        async with started(App(shutdown="raise"), name="example"):
            pass


async def test_an_application_that_ends_without_an_answer_has_stopped():
    app = App(shutdown="return")
    async with started(app, name="example"):
        pass
    assert app.heard[-1] == "lifespan.shutdown"


async def test_an_application_whose_lifespan_breaks_while_it_serves_is_told_at_the_end():
    breaks = asyncio.Event()

    async def app(scope, receive, send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await breaks.wait()
        raise RuntimeError("broken pipe")

    async def serve() -> None:
        async with started(app, name="example"):
            breaks.set()
            await asyncio.sleep(0.01)

    with pytest.raises(RuntimeError, match="broken pipe"):
        await serve()


async def test_the_failure_of_the_host_wins_over_that_of_the_application():
    app = App(shutdown="raise")

    async def serve() -> None:
        async with started(app, name="example"):
            raise ValueError("the host's own")

    with pytest.raises(ValueError, match="the host's own"):
        await serve()
    assert app.heard[-1] == "lifespan.shutdown"


async def test_a_task_group_in_a_lifespan_is_legal():
    async def app(scope, receive, send) -> None:
        await receive()
        async with asyncio.TaskGroup() as group:
            worker = group.create_task(asyncio.sleep(60))
            await send({"type": "lifespan.startup.complete"})
            await receive()
            worker.cancel()
        await send({"type": "lifespan.shutdown.complete"})

    async with started(app, name="example"):
        pass


async def test_an_application_is_waited_for_after_its_last_word():
    ended: list[str] = []

    async def app(scope, receive, send) -> None:
        for word in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
            await receive()
            await send({"type": word})
        await asyncio.sleep(0.02)
        ended.append("cleaned up")

    async with started(app, name="example"):
        pass
    assert ended == ["cleaned up"]
