"""Two services: `front` asks `shop` for a thing, shop announces that it made one, and both count it.

As a program, a process of one of them: `python shop.py front|shop SETTINGS`; its first line is the port.
"""

import json
import sys

import structlog
from fastapi import Request
from pydantic import BaseModel
from sqlalchemy import Text, bindparam, select, text

from core.application import ChassisApp, service
from core.database import Query
from core.dependencies import ReadSession, ResourcesDep, Session
from core.events import Announced, Announcements, Handlers
from core.ports import Ports
from core.routing import Router, public
from core.server import listen, serve
from core.settings import ServiceSettings
from core.telemetry.exchange import Identity
from core.telemetry.logs import logging_to_stdout

log = structlog.get_logger("shop")


class Settings(ServiceSettings, env_prefix="SHOP_"):
    """Nothing of its own."""


class Word(BaseModel):
    """One word."""

    word: str


WORD = Query(select(bindparam("word", type_=Text).label("word")), Word)

orders = Router(prefix="/v1/orders", tags=["orders"])
things = Router(prefix="/v1/things", tags=["things"])
announcements = Announcements()
of_shop, of_front = Handlers(), Handlers()


@announcements.tells("thing.made")
class ThingState(Announced):
    """A thing."""

    name: str


@orders.post("/{name}", status_code=204)
@public
async def order(name: str, resources: ResourcesDep) -> None:
    response = await resources.clients.client("shop").post(f"/v1/things/{name}")
    response.raise_for_status()


@things.post("/{name}", status_code=204)
@public
async def make(name: str, session: Session, resources: ResourcesDep) -> None:
    await session.execute(text("SELECT CAST(:name AS text)"), {"name": name})
    await resources.events(session).emit("thing.made", subject=name, data=ThingState(name=name))
    log.info("made")


@things.get("/{name}")
@public
async def read(name: str, reads: ReadSession) -> Word:
    word = await reads.first(WORD, word=name)
    assert word is not None
    return word


@things.put("/{name}")
@public
async def break_(name: str, request: Request) -> Word:
    """Breaks in the way that its body says."""
    body = await request.body()
    if body == b"shape":
        return {"word": {"secret": name}}  # type: ignore[return-value] - the mistake that is tested
    raise ConnectionError(f"password={body.decode()} for {request.url.path}")


@of_shop.once("thing.made")
@of_front.once("thing.made", source="shop")
async def count(event, session, _resources) -> None:
    await session.execute(text("SELECT 1 AS counted"))
    log.info("counted")


def build(name: str, settings: ServiceSettings, ports: Ports = Ports()) -> ChassisApp:
    """The service of that name."""
    if name == "front":
        return service(name, settings, ports, routers=[orders], handlers=[of_front])
    return service(name, settings, ports, routers=[things], announces=[announcements], handlers=[of_shop])


def main(name: str, given: str) -> int:
    settings = Settings(**json.loads(given))
    listener = listen("127.0.0.1", 0)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    with logging_to_stdout(level="info", form="json", process=Identity.of(name, settings.environment)):
        return serve(build(name, settings), settings.server, listener=listener)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
