"""A list is read page by page: bounded, in a stable order, by cursors that nobody can make or carry elsewhere."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import pytest
from fastapi import Depends, Query, Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from sqlalchemy import text

from core.dependencies import PageDep, ResourcesDep, page
from core.ids import new_id
from core.routing import register
from core.testing import problem, running
from core.testing.open_router import OpenRouter
from core.web.pages import Instant, InvalidCursor, Page, PageOf, PageQuery, decode_cursor, encode_cursor

KEY = b"k" * 32
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ID = UUID("0199c0de-0000-7000-8000-000000000001")


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
instants = st.timedeltas(timedelta(0), timedelta(days=365 * 500)).map(lambda since: EPOCH + since)


@given(at=instants, row=st.uuids(), binding=st.text(st.characters(codec="utf-8")))
def test_a_cursor_gives_back_the_exact_position(at, row, binding):
    assert decode_cursor(encode_cursor((at, row), key=KEY, binding=binding), key=KEY, binding=binding) == (at, row)


def test_a_cursor_fits_into_a_query_as_it_is():
    cursor = encode_cursor((AT, ID), key=KEY, binding="/v1/things?[]")
    assert len(cursor) < 60
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(position=st.integers(0, 39), bit=st.integers(0, 7))
def test_a_cursor_with_any_bit_changed_is_refused(position, bit):
    raw = bytearray(base64.urlsafe_b64decode(encode_cursor((AT, ID), key=KEY, binding="b") + "=="))
    raw[position] ^= 1 << bit
    with pytest.raises(InvalidCursor):
        decode_cursor(base64.urlsafe_b64encode(raw).decode().rstrip("="), key=KEY, binding="b")


@pytest.mark.parametrize(
    ("key", "binding"),
    [(b"x" * 32, "b"), (KEY, "c"), (KEY, ""), (KEY, "b\0")],
)
def test_a_cursor_of_another_key_or_list_is_refused(key, binding):
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor((AT, ID), key=KEY, binding="b"), key=key, binding=binding)


@pytest.mark.parametrize("made_up", ["", "a", "!!!!", "é", "A" * 54, "=" * 8, "A" * 200, "\x00"], ids=ascii)
def test_a_cursor_that_is_made_up_is_refused(made_up):
    with pytest.raises(InvalidCursor) as refused:
        decode_cursor(made_up, key=KEY, binding="b")
    assert [each.pointer for each in refused.value.errors] == ["#/query/cursor"]


def test_a_cursor_with_something_added_is_refused():
    cursor = encode_cursor((AT, ID), key=KEY, binding="b")
    for changed in (f"{cursor}!!!!", f"    {cursor}", f"{cursor[:8]}.{cursor[8:]}", cursor.swapcase()):
        with pytest.raises(InvalidCursor):
            decode_cursor(changed, key=KEY, binding="b")


@pytest.mark.parametrize(
    ("asked", "limit"),
    [("1", 1), ("20", 20), ("100", 100), ("101", 100), ("9" * 18, 100), ("9" * 30, 100), ("101.0", 100), (" 7 ", 7)],
)
def test_a_limit_above_the_most_is_the_most(asked, limit):
    assert PageQuery(limit=asked).limit == limit


@pytest.mark.parametrize("asked", ["0", "-1", "-" + "9" * 30, "", "ten", "1e3", "1.5", "9" * 5000, "0.0", "nan"])
def test_a_limit_that_is_none_is_refused(asked):
    with pytest.raises(ValidationError):
        PageQuery(limit=asked)


def test_without_a_limit_there_is_a_default():
    assert PageQuery().limit == 20


class Number(BaseModel):
    """A row."""

    n: int


@pytest.mark.parametrize(("rows", "shown", "more"), [(0, 0, False), (2, 2, False), (3, 2, True)])
def test_there_is_a_cursor_only_where_there_is_more(rows, shown, more):
    asked = Page(limit=2, after=None, key=KEY, binding="b")
    answer = asked.of(range(rows), item=lambda n: Number(n=n), position=lambda n: (AT + timedelta(seconds=n), ID))
    assert [each.n for each in answer.data] == list(range(shown))
    assert (answer.next_cursor is not None) is more
    if answer.next_cursor:
        assert decode_cursor(answer.next_cursor, key=KEY, binding="b") == (AT + timedelta(seconds=shown - 1), ID)


class Filtered(PageQuery):
    """A list with filters."""

    colour: str | None = None
    created_at_gte: Instant | None = None
    created_at_lt: Instant | None = None
    price_gt: int | None = None
    price_lte: int | None = None


def test_filters_are_what_a_request_has_beside_its_page():
    assert Filtered(limit=7, cursor="x").filters() == {}
    query = Filtered.model_validate({"colour": "red", "created_at[gte]": "2026-01-02T03:04:05+01:00", "price[gt]": "0"})
    assert query.filters() == {
        "colour": "red",
        "created_at_gte": datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC),
        "price_gt": 0,
    }


lists = OpenRouter(prefix="/v1/lists", tags=["lists"])


def one_more(page_: Page) -> PageOf[Number]:
    return page_.of(range(page_.limit + 1), item=lambda n: Number(n=n), position=lambda _: (AT, ID))


async def _filtered(request: Request, resources: ResourcesDep, query: Annotated[Filtered, Query()]) -> Page:
    return page(request, resources, query)


@lists.get("/plain")
async def plain(page: PageDep) -> PageOf[Number]:
    return one_more(page)


@lists.get("/of/{owner}")
async def owned(owner: str, page: PageDep) -> PageOf[Number]:
    return one_more(page)


@lists.get("/filtered")
async def filtered(page: Annotated[Page, Depends(_filtered)]) -> PageOf[Number]:
    return one_more(page)


@pytest.fixture
async def client(service, settings, ports):
    app = service.create_app(settings, ports)
    register(app, lists)
    async with running(app) as client:
        yield client


async def cursor_of(client, path, **query) -> str:
    return (await client.get(path, params=query)).json()["next_cursor"]


@pytest.mark.parametrize(
    ("path", "query"),
    [("/plain", {}), ("/plain", {"limit": 3}), ("/of/a", {}), ("/filtered", {"colour": "red"}), ("/filtered", {})],
)
async def test_a_cursor_works_where_it_was_given_out(client, path, query):
    cursor = await cursor_of(client, f"/v1/lists{path}", **query)
    # How many rows a page has is no filter.
    response = await client.get(f"/v1/lists{path}", params=query | {"limit": 7, "cursor": cursor})
    assert (response.status_code, len(response.json()["data"])) == (200, 7)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/plain", {}),
        ("/of/b", {}),
        ("/filtered", {}),
        ("/filtered", {"colour": "blue"}),
    ],
)
async def test_a_cursor_works_nowhere_else(client, path, query):
    for given_out in (
        await cursor_of(client, "/v1/lists/of/a"),
        await cursor_of(client, "/v1/lists/filtered", colour="red"),
    ):
        response = await client.get(f"/v1/lists{path}", params=query | {"cursor": given_out})
        assert problem(response) == (422, "invalid_cursor")
        assert [each["pointer"] for each in response.json()["errors"]] == ["#/query/cursor"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": "0"}, "#/query/limit"),
        ({"limit": "ten"}, "#/query/limit"),
        ({"cursor": "x" * 201}, "#/query/cursor"),
        ({"colour": "red"}, "#/query/colour"),
        ({"offset": "5"}, "#/query/offset"),
    ],
)
async def test_what_a_list_does_not_know_is_refused(client, query, pointer):
    response = await client.get("/v1/lists/plain", params=query)
    assert problem(response) == (422, "validation_failed")
    assert [each["pointer"] for each in response.json()["errors"]] == [pointer]


FILTERS = {
    "created_at[gte]": "2026-01-02T03:04:05+01:00",
    "created_at[lt]": "2026-02-01T00:00:00Z",
    "price[gt]": "1",
    "price[lte]": "9",
}


async def test_a_filter_may_have_an_operator(client):
    response = await client.get("/v1/lists/filtered", params=FILTERS)
    assert response.status_code == 200
    document = (await client.get("/openapi.json")).json()
    parameters = document["paths"]["/v1/lists/filtered"]["get"]["parameters"]
    names = {document["components"]["parameters"][each["$ref"].rsplit("/")[-1]]["name"] for each in parameters}
    assert names == {"limit", "cursor", "colour", *FILTERS}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("created_at[gte]", at) for at in ("2026-01-02", "2026-01-02T03:04:05", "soon", "")),
        ("created_at[gte]", "0001-01-01T00:00:00+14:00"),
        *(("created_at[ne]", "2026-01-02T00:00:00Z"), ("created_at[gte][lt]", "2026-01-02T00:00:00Z")),
        *(("created_at_gte", "2026-01-02T00:00:00Z"), ("created_at", "2026-01-02T00:00:00Z"), ("price[gt]", "cheap")),
        ("colour[gte]", "red"),
    ],
)
async def test_a_filter_that_is_none_is_refused(client, name, value):
    response = await client.get("/v1/lists/filtered", params={name: value})
    assert problem(response) == (422, "validation_failed")
    assert [each["pointer"] for each in response.json()["errors"]] == [f"#/query/{name}"]


@pytest.mark.parametrize(
    ("again", "answer"),
    [({"created_at[gte]": "2026-01-02T02:04:05Z"}, 200), ({"created_at[gte]": "2026-01-02T03:04:05Z"}, 422)],
)
async def test_a_cursor_belongs_to_an_instant_however_it_is_written(client, again, answer):
    cursor = await cursor_of(client, "/v1/lists/filtered", **FILTERS)
    response = await client.get("/v1/lists/filtered", params=FILTERS | again | {"cursor": cursor})
    assert response.status_code == answer


async def test_pages_are_stable_while_rows_come_and_go(client, database):
    """Rows of one instant, rows that come behind and before, one that goes: each that stays is seen once, in order."""
    at = datetime.now(UTC) - timedelta(hours=1)

    async def insert(name: str, created_at: datetime) -> None:
        async with database.transaction() as session:
            statement = text("INSERT INTO things (id, name, created_at, announced) VALUES (:id, :name, :at, 0)")
            await session.execute(statement, {"id": new_id(), "name": name, "at": created_at})

    for number in range(7):
        await insert(f"first-{number}", at)
    seen: list[str] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        response = (await client.get("/v1/things", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [each["name"] for each in response["data"]]
        cursor = response["next_cursor"]
        pages += 1
        if pages == 1:
            await insert("behind", at + timedelta(minutes=1))
            await insert("before", at - timedelta(minutes=1))
            async with database.transaction() as session:
                await session.execute(text("DELETE FROM things WHERE name = 'first-2'"))
    assert seen == [*(f"first-{number}" for number in range(7)), "behind"]
    assert pages == 3
