"""coffee as an application."""

from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text

from coffee.settings import Settings
from core.application import service
from core.dependencies import ResourcesDep, Session
from core.events import Event, Handlers
from core.mail import Message
from core.ports import Ports, Seed
from core.resources import Resources
from core.routing import Router, public

__all__ = ["Settings", "create_app", "seed_local"]


class Cup(BaseModel, extra="forbid"):
    """A cup; the other service has a schema of the same name."""

    name: str


router = Router(prefix="/v1/cups", tags=["cups"])


handlers = Handlers()


@handlers.once("cup.added", source="tea")
async def put_beside(event: Event, session: Session, _: Resources) -> None:
    """Keeps a cup of its own for each cup of tea."""
    await session.execute(text("INSERT INTO cups VALUES (:name)"), {"name": f"beside {event.data['name']}"})


@router.post("", status_code=201)
@public
async def add_cup(cup: Cup, session: Session, resources: ResourcesDep) -> Cup:
    """Keeps a cup, and mails about it."""
    await session.execute(text("INSERT INTO cups VALUES (:name)"), {"name": cup.name})
    await resources.mail.send(
        Message("drinker@example.com", cup.name, f"Your token: t-{cup.name}", token=f"t-{cup.name}")
    )
    return cup


@router.get("")
@public
async def list_cups(session: Session) -> list[Cup]:
    """Every cup."""
    names = await session.scalars(text("SELECT name FROM cups ORDER BY name"))
    return [Cup(name=name) for name in names]


@router.get("/elsewhere")
@public
async def count_elsewhere(resources: ResourcesDep) -> int:
    """How many cups the other service has, by a call to it."""
    response = await resources.clients.client("tea").get("/v1/cups")
    return len(response.raise_for_status().json())


def create_app(settings: Settings, ports: Ports = Ports()) -> FastAPI:
    """Builds coffee; opens nothing."""
    return service("coffee", settings, ports, routers=[router], handlers=[handlers])


async def seed_local(resources: Resources, seed: Seed) -> None:
    """Keeps a cup for the admin."""
    async with resources.database.transaction() as session:
        await session.execute(
            text("INSERT INTO cups VALUES (:name) ON CONFLICT DO NOTHING"), {"name": seed.admin_email}
        )
