"""`/v1/things`."""

from core.dependencies import PageDep, ReadSession, idempotent
from core.errors import NotFound
from core.routing import Router
from core.web.pages import PageOf
from example.things.dependencies import ThingsDep
from example.things.repository import THING
from example.things.schemas import ThingCreate, ThingId, ThingRead

router = Router(prefix="/v1/things", tags=["things"])


@router.post("", status_code=201)
@idempotent
async def make_thing(thing: ThingCreate, things: ThingsDep) -> ThingRead:
    """Makes a thing."""
    return ThingRead.of(await things.make(thing.name))


@router.get("")
async def list_things(things: ThingsDep, page: PageDep) -> PageOf[ThingRead]:
    """Lists things, oldest first."""
    rows = await things.repository.page(limit=page.limit, after=page.after)
    return page.of(rows, item=ThingRead.of, position=lambda thing: (thing.created_at, thing.id))


@router.get("/{thing_id}")
async def read_thing(thing_id: ThingId, reads: ReadSession) -> ThingRead:
    """Shows one thing."""
    thing = await reads.first(THING, id=thing_id)
    if thing is None:
        raise NotFound
    return thing
