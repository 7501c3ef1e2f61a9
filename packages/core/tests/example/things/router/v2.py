"""`/v2/things`: a label, a note, and versions, so that no change is lost."""

from operator import attrgetter

from fastapi import Depends

from core.dependencies import Conditional, Created, ETag, IfMatch, idempotent, limited
from core.routing import Router, public
from core.web.pages import PageOf
from core.web.patches import Merged
from example.things.dependencies import ThingsDep, ThingV2PageDep, ThingV2QueryDep, ThingViewsDep
from example.things.schemas.ids import ThingId
from example.things.schemas.v2 import ThingV2Create, ThingV2Patch, ThingV2Read

router = Router(prefix="/v2/things", tags=["things_v2"])


@router.post("", status_code=201, dependencies=[Depends(limited(lambda settings: settings.limits.make, by="caller"))])
@idempotent
async def make_thing(body: ThingV2Create, things: ThingsDep, created: Created, etag: ETag) -> ThingV2Read:
    """Makes a thing."""
    thing = await things.make(body.name, note=body.note)
    etag.set(thing.version)
    return created(ThingV2Read.of(thing))


@router.get("")
@public
async def list_things(things: ThingViewsDep, query: ThingV2QueryDep, page: ThingV2PageDep) -> PageOf[ThingV2Read]:
    """Lists things, oldest first."""
    since, before = query.created_at_gte, query.created_at_lt
    rows = await things.page(after=page.after, limit=page.limit, since=since, before=before)
    return page.of(rows, item=ThingV2Read.of, position=attrgetter("created_at", "id"))


@router.get("/{thing_id}")
@public
async def read_thing(thing_id: ThingId, things: ThingViewsDep, conditional: Conditional) -> ThingV2Read:
    """Shows one thing."""
    thing = await things.one(thing_id)
    conditional.check(thing.version)
    return ThingV2Read.of(thing)


@router.patch("/{thing_id}")
@public
async def change_thing(
    thing_id: ThingId, patch: Merged[ThingV2Patch], things: ThingsDep, if_match: IfMatch, etag: ETag
) -> ThingV2Read:
    """Changes one thing."""
    thing = await things.change(thing_id, if_match, patch.changes())
    etag.set(thing.version)
    return ThingV2Read.of(thing)
