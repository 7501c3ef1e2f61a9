"""What other services are told of widgets, what follows from it here, and how it is told again."""

from typing import Any

import pytest
from httpx import AsyncClient
from sqlalchemy import text

from acme.widgets import service as widgets
from acme.widgets.announcements import WidgetState
from core.client import InProcess
from core.dependencies.resources import STATE
from core.lifespan import started
from core.ports import Ports
from core.testing import SERVICE_URL

OWNER = "usr_01h455vb4pex5vsknk084sn02q"


@pytest.fixture
def ports():
    """The real ones: a clock that goes on tells what was made before from what was made since."""
    return Ports()


@pytest.fixture
def told(database):
    """`await told()`: type, sequence and data of what was announced of widgets, the oldest first."""

    async def read() -> list[tuple[str, int, dict[str, Any]]]:
        announced = "SELECT type, sequence, data FROM outbox WHERE starts_with(subject, 'wdg_') ORDER BY position"
        async with database.transaction() as session:
            return [(type_, sequence, data) for type_, sequence, data in await session.execute(text(announced))]

    return read


@pytest.fixture
async def serving(app):
    """A client of the running service, what that has opened, and what it tells again."""
    async with (
        started(app, name="acme") as state,
        AsyncClient(transport=InProcess(app, state), base_url=SERVICE_URL) as client,
    ):
        yield client, state[STATE], app.catalogue.replays


@pytest.fixture
def owner(signed_in):
    return signed_in(subject=OWNER)


async def make(client, maker, name="Gift"):
    made = await client.post("/v1/widgets", json={"name": name}, headers={**maker, "Idempotency-Key": name})
    return made.json()


async def names(client, reader):
    return [widget["name"] for widget in (await client.get("/v1/widgets", headers=reader)).json()["data"]]


def state(answer):
    """What is announced when a client is answered that."""
    seen = {name: answer[name] for name in WidgetState.model_fields.keys() & answer.keys()}
    return {**seen, "owner": OWNER}


async def test_each_change_is_announced_with_what_it_has_made(client, owner, told):
    made = await make(client, owner)
    path, condition = f"/v1/widgets/{made['id']}", "If-Match"
    changed = await client.patch(path, json={"note": "blue"}, headers={**owner, condition: '"v1"'})
    await client.delete(path, headers={**owner, condition: '"v2"'})
    assert await told() == [
        ("widget.made", 1, state(made)),
        ("widget.changed", 2, state(changed.json())),
        ("widget.removed", 3, {"id": made["id"], "owner": OWNER}),
    ]


async def test_what_is_refused_announces_nothing(client, owner, told):
    made = await make(client, owner)
    await client.patch(f"/v1/widgets/{made['id']}", json={"note": "blue"}, headers={**owner, "If-Match": '"v2"'})
    assert [type_ for type_, _, _ in await told()] == ["widget.made"]


@pytest.mark.parametrize("at_once", [1, 2, 100])
async def test_all_of_a_caller_are_removed_but_none_made_since(
    client, owner, signed_in, database, told, becomes, monkeypatch, at_once
):
    monkeypatch.setattr(widgets, "REMOVED_AT_ONCE", at_once)
    stranger = signed_in()
    for name in ("1", "2", "3"):
        await make(client, owner, name)
    await make(client, stranger)
    async with database.transaction() as session:
        # Nothing is removed before this ends.
        await session.execute(text('SELECT FROM "widgets" FOR UPDATE'))
        assert (await client.delete("/v1/widgets", headers=owner)).status_code == 202
        await make(client, owner, "4")

    async def cleared():
        return await names(client, owner) == ["4"]

    await becomes(cleared)
    assert [type_ for type_, _, _ in await told()] == ["widget.made"] * 5 + ["widget.removed"] * 3
    assert await names(client, stranger) == ["Gift"]


async def test_an_event_is_handled_once_although_it_comes_twice(client, owner, database, becomes):
    await client.delete("/v1/widgets", headers=owner)
    attempts = """
        SELECT array_agg(attempts) FROM inbox
        HAVING every(handled_at IS NOT NULL) AND (SELECT every(sent_at IS NOT NULL) FROM outbox)
    """

    async def handled():
        async with database.transaction() as session:
            return await session.scalar(text(attempts))

    assert await becomes(handled) == [1]
    async with database.transaction() as session:
        # As if the process had ended after the event was passed on, and before that was written down.
        await session.execute(text("UPDATE outbox SET sent_at = NULL"))
    assert await becomes(handled) == [1]


async def test_all_that_there_is_can_be_told_again(serving, signed_in, database, told):
    client, resources, replays = serving
    for name in ("1", "2", "3"):
        await make(client, signed_in(), name)
    made = await told()
    [replay] = [each for each in replays if each.name == "widgets"]

    async def page(after):
        async with database.transaction() as session:
            return await replay.retell(session, resources, after, 2)

    async with database.transaction() as session:
        assert await replay.count(session, resources) == 3
    first = await page(None)
    assert [len(first), len(await page(first[-1]))] == [2, 1]
    # The same sequence, by which who has heard of it passes it over.
    assert (await told())[3:] == [("widget.changed", sequence, data) for _, sequence, data in made]
