"""What of an answer is stored: its headers that belong to it, no others, and nothing that is secret."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import Depends, FastAPI, Response
from pydantic import BaseModel

from core.dependencies import Created, idempotent
from core.routing import register
from core.testing import SERVICE_URL, problem
from core.testing.open_router import OpenRouter

KEPT = {
    "cache-control": "private, max-age=60",
    "content-language": "nl",
    "content-location": "/v1/notes/7",
    "etag": '"v1"',
    "last-modified": "Sun, 01 Nov 2026 00:00:00 GMT",
    "link": '</v1/notes>; rel="collection"',
    "location": "/v1/notes/7",
}
NOT_KEPT = {"set-cookie": "secret=canary", "x-attempt": "1", "retry-after": "1"}


class Note(BaseModel):
    """A note."""

    id: str


async def counted(response: Response) -> None:
    """What a dependency says of each request: how many are left."""
    response.headers["RateLimit"] = '"default";r=1'


notes = OpenRouter(prefix="/v1/notes", tags=["notes"])


@notes.post("", status_code=201, dependencies=[Depends(counted)])
@idempotent
async def make_note(response: Response) -> Note:
    response.headers.update(KEPT | NOT_KEPT)
    response.headers.append("Link", '</v1/notes/8>; rel="next"')
    return Note(id="7")


@notes.put("/{note_id}", status_code=201)
@idempotent
async def put_note(note_id: str, response: Response) -> Note:
    response.status_code = 200
    return Note(id=note_id)


@notes.post("/{note_id}/copies", status_code=201)
@idempotent
async def copy_note(note_id: str, created: Created) -> Note:
    return created(Note(id=f"{note_id}-copy"))


@pytest.fixture
def app(app: FastAPI) -> FastAPI:
    """The example with notes."""
    register(app, notes)
    return app


@pytest.fixture
def send(
    anywhere: httpx.AsyncClient, signed_in: Callable[..., dict[str, str]], subject: str
) -> Callable[..., Awaitable[httpx.Response]]:
    async def once(method: str, path: str) -> httpx.Response:
        headers = {**signed_in(subject=subject), "Idempotency-Key": "key"}
        return await anywhere.request(method, path, headers=headers)

    return once


async def test_headers_of_the_answer_come_again_and_those_of_the_exchange_do_not(send, claims):
    first, second = await send("POST", "/v1/notes"), await send("POST", "/v1/notes")
    assert second.headers["idempotent-replayed"] == "true"
    for response in (first, second):
        assert {name: response.headers[name] for name in KEPT if name != "link"}.items() <= KEPT.items()
        assert response.headers.get_list("link") == [KEPT["link"], '</v1/notes/8>; rel="next"']
        assert response.headers.get_list("ratelimit") == ['"default";r=1']
    assert first.headers.items() >= NOT_KEPT.items()
    assert not NOT_KEPT.keys() & second.headers.keys()
    [claim] = await claims()
    assert "canary" not in claim["headers"]


async def test_a_status_that_the_handler_chose_comes_again(send):
    for _ in range(2):
        assert (await send("PUT", "/v1/notes/7")).status_code == 200


async def test_what_is_made_is_below_the_path_of_the_request(send):
    for _ in range(2):
        response = await send("POST", "/v1/notes/a%20b/copies")
        assert response.headers["location"] == f"{SERVICE_URL}/v1/notes/a%20b/copies/a%20b-copy"


async def test_the_key_is_documented_as_required_and_missing_is_no_validation_error(anywhere, signed_in):
    response = await anywhere.post("/v1/notes", headers=signed_in())
    assert problem(response) == (400, "idempotency_key_required")
    document = (await anywhere.get("/openapi.json")).json()
    [reference] = document["paths"]["/v1/notes"]["post"]["parameters"]
    parameter = document["components"]["parameters"][reference["$ref"].rsplit("/")[-1]]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("Idempotency-Key", "header", True)


class Pair(BaseModel):
    """What a sign-in gives."""

    access_token: str
    expires_in: int


class Session(BaseModel):
    """A list of such."""

    pairs: list[Pair]


@pytest.mark.parametrize("kind", [Pair, Session, list[Pair], Pair | None])
def test_an_answer_with_secrets_is_never_stored(kind):
    async def sign_in() -> kind: ...

    with pytest.raises(TypeError, match=r"sign_in answers with access_token: no answer with secrets is stored"):
        idempotent(sign_in)
