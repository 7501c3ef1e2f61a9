"""An operation of ours against FastAPI's own: the same answers, the same order of teardown, the same exceptions."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from bare import Wire, bare
from fastapi import BackgroundTasks, Body, Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import FastAPIError
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse

from core.routing.operation import Operation
from core.testing.open_router import OpenRouter

Said = Annotated[str, Body()]


class Refused(Exception):
    """What the application has a handler for, which reads the body."""


class Unforeseen(Exception):
    """What it has none for."""


class Unsent(Response):
    """An answer that fails before it begins."""

    async def __call__(self, *_asgi: Any) -> None:
        raise HTTPException(409)


class Endpoints:
    """What a handler may do; it finds out what FastAPI has put into the scope."""

    async def answers(self, request: Request, said: Said) -> list[str]:
        return [said, *sorted(request.scope)]

    def answers_in_a_thread(self, said: Said) -> str:
        return said

    async def asks_for_what_is_not_sent(self, said: Annotated[int, Body()]) -> int:
        return said

    async def says_no(self, said: Said) -> str:
        raise HTTPException(418, headers={"Said": said})

    async def refuses(self, said: Said) -> str:
        raise Refused(said)

    async def fails(self, said: Said) -> str:
        raise Unforeseen(said)

    async def fails_to_answer(self, said: Said) -> Unsent:
        return Unsent(said)

    async def works_on(self, request: Request, said: Said, later: BackgroundTasks) -> str:
        later.add_task(request.scope["noted"].append, "worked on")
        return said

    async def says_no_too_late(self, said: Said, later: BackgroundTasks) -> str:
        async def refuse() -> None:
            raise HTTPException(418)

        later.add_task(refuse)
        return said

    async def streams(self, request: Request, said: Said) -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield said
            request.scope["noted"].append("streamed")

        return StreamingResponse(parts())

    async def refuses_in_a_stream(self, said: Said) -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield said
            raise Refused

        return StreamingResponse(parts())

    async def fails_in_a_stream(self, said: Said) -> StreamingResponse:
        def parts() -> Iterator[str]:
            yield said
            raise Unforeseen

        return StreamingResponse(parts())

    async def yields(self, said: Said) -> AsyncIterator[str]:
        yield said

    async def yields_and_refuses(self, said: Said) -> AsyncIterator[str]:
        yield said
        raise Refused


class Resource:
    """A dependency with `yield`; at its end it does as it is called."""

    def __init__(self, ending: str) -> None:
        self._ending = ending

    async def __call__(self, request: Request) -> AsyncIterator[None]:
        noted = request.scope["noted"]
        noted.append("opened")
        try:
            yield
        except Exception as failure:
            noted.append(kind_of(failure))
            if self._ending != "swallows":
                raise
        finally:
            noted.append("closed")
        if self._ending == "refuses":
            raise Refused
        if self._ending == "fails":
            raise Unforeseen


STACKS = ["fastapi_inner_astack", "fastapi_function_astack"]


async def nothing() -> None:
    """A dependency that leaves nothing open."""


async def what_needs_another(_other: Annotated[None, Depends(Resource("ends"))]) -> None:
    """One that leaves nothing open by itself."""


ENDINGS = [(ending, scope) for ending in ("ends", "swallows", "refuses", "fails") for scope in ("function", "request")]
ENDINGS += [("nothing to end", "request"), ("put in by a test", "request"), ("ends below another", "request")]


def needed_for(ending: str, scope: Any) -> list[Any]:
    if ending in {"nothing to end", "put in by a test"}:
        return [Depends(nothing)]
    if ending == "ends below another":
        return [Depends(what_needs_another)]
    # The outer of the two is always the request's.
    return [Depends(Resource("ends"), scope="request"), Depends(Resource(ending), scope=scope)]


OPTIONS: dict[str, dict[str, Any]] = {
    "yields and refuses, events": {"response_class": EventSourceResponse},
    "answers, limited": {"max_body_size": 3},
    "answers, within a limit": {"max_body_size": 300},
}


async def told_by(route_class: type[APIRoute], case: str, ending: str, scope: Any) -> dict[str, Any]:
    """What a client and a server see of one request, and in what order everything ended."""
    app = FastAPI()
    app.router.route_class = route_class
    named = case.partition(",")[0].replace(" ", "_")
    if ending == "put in by a test":
        app.dependency_overrides[nothing] = Resource("ends")
    app.post("/", dependencies=needed_for(ending, scope), **OPTIONS.get(case, {}))(getattr(Endpoints(), named))

    @app.exception_handler(Refused)
    async def tell(request: Request, _refused: Exception) -> Response:
        request.scope["noted"].append("told")
        return PlainTextResponse(await request.body(), status_code=409)

    # A stream of this version does not wait for the disconnect, which is here for who reads the body twice.
    headers = [(b"content-type", b"application/json")]
    wire = Wire(app, "POST", "/", spec_version="2.4", headers=headers, noted=[])
    wire.arrive(b'"hello"')
    wire.disconnect()
    raised = await failure_of(wire)
    causes = raised and [kind_of(raised), kind_of(raised.__cause__)]
    left = [wire.scope[stack].pop_all()._exit_callbacks for stack in STACKS]
    assert not any(left)
    return {"sent": wire.sent, "noted": wire.scope["noted"], "raised": causes}


def kind_of(failure: BaseException | None) -> str:
    # What FastAPI fails with where a dependency of a function's scope swallows an exception: it names no reason.
    return FastAPIError.__name__ if isinstance(failure, UnboundLocalError) else type(failure).__name__


async def failure_of(wire: Wire) -> Exception | None:
    try:
        await wire.start()
    except Exception as failure:  # noqa: BLE001 - whatever a server would see
        return failure
    return None


CASES = [name.replace("_", " ") for name in vars(Endpoints) if not name.startswith("_")] + list(OPTIONS)


@pytest.mark.parametrize("case", CASES)
async def test_a_request_is_served_as_fastapi_serves_it(case):
    """Where this fails after an upgrade, read `fastapi.routing.request_response` again."""
    for ending, scope in ENDINGS:
        theirs, ours = [await told_by(kind, case, ending, scope) for kind in (APIRoute, Operation)]
        assert (ending, scope, ours) == (ending, scope, theirs)


@pytest.mark.parametrize("scope", ["function", "request"])
async def test_a_swallowed_exception_is_told_as_such(scope):
    app = FastAPI()
    app.router.route_class = Operation
    app.post("/", dependencies=[Depends(Resource("swallows"), scope=scope)])(Endpoints().refuses)
    wire = Wire(app, "POST", "/", headers=[(b"content-type", b"application/json")], noted=[])
    wire.arrive(b'"hello"')
    with pytest.raises(FastAPIError, match="did not raise it again"):
        await wire.start()


router = OpenRouter(prefix="/v1/refused", tags=["refused"])


@router.get("")
async def refused() -> None:
    raise HTTPException(409)


async def test_a_refusal_of_head_has_no_content():
    wire = Wire(bare(router), "HEAD", "/v1/refused")
    wire.arrive()
    await wire.start()
    assert (wire.status, wire.body) == (409, b"")
