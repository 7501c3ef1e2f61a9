"""Operations that fail in every way that a handler can, for the layers of a service under test to answer."""

import asyncio

from fastapi import Depends
from pydantic import BaseModel
from sqlalchemy import text

from core.dependencies import Caller, Session
from core.errors import Conflict
from core.routing import Router


class Kept(Conflict):
    """A refusal that keeps what was written."""

    code = "kept"
    keeps_changes = True


class Thing(BaseModel, extra="forbid"):
    """A body with one field."""

    name: str


async def _breaks() -> None:
    raise RuntimeError("canary-in-a-dependency")


exits = Router(prefix="/v1/conformance", tags=["conformance"])


@exits.post("/things")
async def _make(thing: Thing) -> Thing:
    return thing


@exits.get("/handler-raises")
async def _handler_raises() -> Thing:
    raise RuntimeError("canary-in-a-handler")


@exits.get("/dependency-raises", status_code=204, dependencies=[Depends(_breaks)])
async def _dependency_raises() -> None: ...


@exits.get("/slow", status_code=204)
async def _slow() -> None:
    await asyncio.sleep(60)


@exits.get("/caller")
async def _who(caller: Caller) -> Thing:
    return Thing(name=caller.subject)


@exits.post("/commit-fails")
async def _commit_fails(session: Session) -> Thing:
    # Deferred: the database refuses at COMMIT, when the handler has long returned.
    await session.execute(text("CREATE TABLE conformance_once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
    await session.execute(text("INSERT INTO conformance_once VALUES (1), (1)"))
    return Thing(name="not committed")


@exits.post("/refused")
async def _refused(session: Session) -> Thing:
    await session.execute(text("CREATE TABLE conformance_refused ()"))
    raise Conflict


@exits.post("/kept")
async def _kept(session: Session) -> Thing:
    await session.execute(text("CREATE TABLE conformance_kept ()"))
    raise Kept
