"""tea as an application."""

from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text

from core.application import service
from core.dependencies import ResourcesDep, Session
from core.events import Announced, Announcements
from core.mail import Message
from core.ports import Ports, Seed
from core.resources import Resources
from core.routing import Router, public
from tea.settings import Settings

__all__ = ["Settings", "create_app", "seed_local"]


class Cup(BaseModel, extra="forbid"):
    """A cup; the other service has a schema of the same name."""

    name: str


announcements = Announcements()


@announcements.tells("cup.added")
class CupState(Announced):
    """A cup."""

    name: str


router = Router(prefix="/v1/cups", tags=["cups"])


@router.post("", status_code=201)
@public
async def add_cup(cup: Cup, session: Session, resources: ResourcesDep) -> Cup:
    """Keeps a cup, announces it, and mails about it."""
    await session.execute(text("INSERT INTO cups VALUES (:name)"), {"name": cup.name})
    await resources.events(session).emit("cup.added", subject=cup.name, data=CupState(name=cup.name), sequence=1)
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
    response = await resources.clients.client("coffee").get("/v1/cups")
    return len(response.raise_for_status().json())


def create_app(settings: Settings, ports: Ports = Ports()) -> FastAPI:
    """Builds tea; opens nothing."""
    return service("tea", settings, ports, routers=[router], announces=[announcements])


async def seed_local(resources: Resources, seed: Seed) -> None:
    """Keeps a cup for the admin."""
    async with resources.database.transaction() as session:
        await session.execute(
            text("INSERT INTO cups VALUES (:name) ON CONFLICT DO NOTHING"), {"name": seed.admin_email}
        )
