"""`/v1/things`: what the first clients were built for; it stays as it is until its sunset."""

from datetime import date
from operator import attrgetter

from core.dependencies import Created, PageDep, idempotent
from core.routing import Deprecation, Router, public
from core.web.pages import PageOf
from example.things.dependencies import ThingsDep, ThingViewsDep
from example.things.schemas.ids import ThingId
from example.things.schemas.v1 import ThingCreate, ThingRead

router = Router(
    prefix="/v1/things",
    tags=["things"],
    deprecation=Deprecation(since=date(2026, 11, 1), sunset=date(2027, 11, 1), successor="/v2/things"),
)


@router.post("", status_code=201)
@idempotent
async def make_thing(thing: ThingCreate, things: ThingsDep, created: Created) -> ThingRead:
    """Makes a thing."""
    return created(ThingRead.of(await things.make(thing.name)))


@router.get("")
@public
async def list_things(things: ThingViewsDep, page: PageDep) -> PageOf[ThingRead]:
    """Lists things, oldest first."""
    rows = await things.page(after=page.after, limit=page.limit)
    return page.of(rows, item=ThingRead.of, position=attrgetter("created_at", "id"))


@router.get("/{thing_id}")
@public
async def read_thing(thing_id: ThingId, things: ThingViewsDep) -> ThingRead:
    """Shows one thing."""
    return ThingRead.of(await things.one(thing_id))
