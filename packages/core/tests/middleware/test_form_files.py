"""What a form has brought is closed at the end of its request; for others there is nothing to leave."""

from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from bare import Wire, bare
from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from core.testing.open_router import OpenRouter

# Where FastAPI looks for the stack on which it puts the closing of a form.
STACK = AsyncExitStackMiddleware(APIRouter()).context_name


class Said(BaseModel):
    """What a handler answers."""

    text: str


router = OpenRouter(prefix="/v1/forms", tags=["forms"])


async def resource() -> AsyncIterator[str]:
    yield "x"


FunctionScoped = Annotated[str, Depends(resource, scope="function")]
RequestScoped = Annotated[str, Depends(resource, scope="request", use_cache=False)]


@router.post("")
async def brings_a_file(request: Request) -> Said:
    # As FastAPI does it; to read a form, one needs a library that is not installed here.
    request.scope[STACK].callback(request.scope["closed"].append, "file")
    return Said(text="x")


@router.get("/all")
async def all_that_is_left(first: FunctionScoped, second: RequestScoped, later: BackgroundTasks) -> Said:
    later.add_task(lambda: None)
    return Said(text=first + second)


@router.get("/stream")
async def stream(found: RequestScoped) -> StreamingResponse:
    async def chunks() -> AsyncIterator[str]:
        yield found

    return StreamingResponse(chunks())


@pytest.mark.parametrize("media_type", [b"multipart/form-data; boundary=x", b"application/x-www-form-urlencoded"])
async def test_the_files_of_a_form_are_closed_at_the_end(media_type):
    closed: list[str] = []
    headers = [(b"host", b"service.test"), (b"content-type", media_type)]
    wire = Wire(bare(router), "POST", "/v1/forms", headers=headers, closed=closed)
    wire.arrive()
    await wire.start()
    assert (wire.status, closed) == (200, ["file"])


@pytest.mark.parametrize("path", ["/v1/forms/all", "/v1/forms/stream", "/v1/forms/none"])
async def test_fastapi_leaves_nothing_else_to_be_closed(path):
    """If it does some day, a request without a media type would leave it open."""
    wire = Wire(bare(router), "GET", path)
    wire.arrive()
    await wire.start()
    assert wire.is_whole
    assert not wire.scope[STACK].pop_all()._exit_callbacks
