"""A transaction that is committed when the answer has left is found."""

import pytest
from fastapi import Depends
from sqlalchemy import text

from core.dependencies import ResourcesDep, Session
from core.routing import register
from core.testing.commits import late_commits
from core.testing.exits.transactions import Number
from core.testing.open_router import OpenRouter

router = OpenRouter(prefix="/v1/commits", tags=["commits"])


async def late(resources: ResourcesDep):
    async with resources.database.transaction() as session:
        await session.execute(text("SELECT 1"))
        yield


@router.post("/late", dependencies=[Depends(late)])
async def commits_late() -> Number:
    return Number(n=1)


@router.post("/in-time")
async def commits_in_time(session: Session) -> Number:
    return Number(n=await session.scalar(text("SELECT 1")) or 0)


@pytest.fixture
def app(app):
    register(app, router)
    return app


async def test_who_commits_after_the_answer_is_found(anywhere):
    with late_commits() as found:
        for path in ("/v1/commits/in-time", "/v1/commits/late", "/livez"):
            await anywhere.request("GET" if path == "/livez" else "POST", path)
    assert [(each.method, str(each.route)[-16:]) for each in found] == [("POST", "/v1/commits/late")]
