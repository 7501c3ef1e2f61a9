"""What the service announces, handles and tells again, as other services rely on it."""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from core.events import Catalogue, Replay
from core.redaction import is_secret_name
from core.resources import Resources
from core.testing.conformance.places import Place

# As CloudEvents recommends, without a prefix; and it may stand in a subject of NATS.
_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
# In a page, of which two are asked for.
THINGS_MAX = 3


class Events:
    async def test_what_is_declared_about_events_is_consistent(self, place: Place) -> None:
        assert list(faults(place.app.catalogue)) == []

    async def test_each_kind_of_thing_can_be_told_again(self, place: Place) -> None:
        for replay in place.app.catalogue.replays:
            async with place.resources.database.transaction() as session:
                assert await replay_fault(replay, session, place.resources) is None
                # Nobody is to hear of it.
                await session.rollback()


async def replay_fault(replay: Replay, session: AsyncSession, resources: Resources) -> str | None:
    """What a replay does that it may not, in a sentence."""
    total = await replay.count(session, resources)
    first = await replay.retell(session, resources, None, THINGS_MAX)
    if len(first) != min(total, THINGS_MAX):
        return f"{replay.name}: of {total} things, {len(first)} are told where {THINGS_MAX} were asked for"
    told = [*first, *(await replay.retell(session, resources, first[-1], THINGS_MAX) if first else [])]
    if told != sorted(set(told)):
        return f"{replay.name}: they are not told in the order of their ids, each once"
    return None


def faults(catalogue: Catalogue) -> Iterator[str]:
    """What other services could not rely on, a sentence each."""
    for type_, model in catalogue.announced.items():
        if not _TYPE.fullmatch(type_):
            yield f"{type_} is no type of event: a thing and what happened to it, as in user.activated"
        schema = model.model_json_schema(mode="serialization")
        yield from (f"{type_} tells a secret: {name}" for name in _names(schema) if is_secret_name(name))
    if catalogue.announced and not catalogue.replays:
        yield "nothing of what is announced can be told again to a service that starts later"


def _names(schema: Any) -> Iterator[str]:
    """The names of all members, at any depth."""
    if isinstance(schema, list):
        for each in schema:
            yield from _names(each)
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for each in schema.values():
            yield from _names(each)
