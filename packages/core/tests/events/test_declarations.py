"""What slices declare about events, and what is refused before a service starts."""

import pytest

from core.events import Announced, Announcements, Catalogue, Handlers, Replays


class State(Announced):
    """A thing."""


def announcing(*types: str) -> Announcements:
    announcements = Announcements()
    announcements.tells(*types)(State)
    return announcements


def replaying(name: str) -> Replays:
    replays = Replays()

    async def count(*_: object) -> int:
        return 0

    @replays.of(name, count=count)
    async def retell(*_: object) -> list:
        return []

    return replays


async def handle(*_: object) -> None:
    """Handles."""


def test_a_catalogue_has_what_all_slices_declare():
    handlers = [Handlers(), Handlers()]
    handlers[0].on("thing.made", source="shop")(handle)
    handlers[1].once("thing.checked")(handle)
    announces = [announcing("thing.made", "thing.changed"), announcing("thing.lost")]
    catalogue = Catalogue.of("example", announces=announces, handlers=handlers, replays=[replaying("things")])
    assert catalogue.announced == dict.fromkeys(("thing.made", "thing.changed", "thing.lost"), State)
    assert [each.type for each in catalogue.subscriptions] == ["thing.made", "thing.checked"]
    assert [each.name for each in catalogue.replays] == ["things"]


def test_a_type_is_declared_once():
    with pytest.raises(ValueError, match=r"thing\.made is declared twice"):
        announcing("thing.made", "thing.made")
    with pytest.raises(ValueError, match=r"thing\.made is declared by two slices"):
        Catalogue.of("example", announces=[announcing("thing.made"), announcing("thing.made", "thing.lost")])


def test_what_is_told_again_is_so_by_one_slice():
    replays = replaying("things")
    [declared] = replays.declared
    with pytest.raises(ValueError, match="things is told again twice"):
        replays.of("things", count=declared.count)(declared.retell)
    with pytest.raises(ValueError, match="things is told again by two slices"):
        Catalogue.of("example", replays=[replaying("things"), replaying("things")])


def test_a_handler_that_names_its_own_service_is_refused():
    handlers = Handlers()
    handlers.on("thing.made", source="example")(handle)
    with pytest.raises(ValueError, match=r"\.handle names its own service: leave out the source"):
        Catalogue.of("example", handlers=[handlers])


def test_a_handler_that_the_inbox_could_not_tell_from_another_is_refused():
    handlers = Handlers()

    def make():
        async def same(*_: object) -> None: ...

        return same

    handlers.once("thing.made")(make())
    handlers.once("thing.lost")(make())
    handlers.once("thing.made", source="shop")(make())
    with pytest.raises(ValueError, match=r"make\.<locals>\.same handles thing\.made twice"):
        handlers.once("thing.made")(make())


@pytest.mark.parametrize("way", ["on", "once"])
def test_a_handler_that_is_not_async_is_refused(way):
    def forgot(*_: object) -> None: ...

    with pytest.raises(TypeError, match="forgot is no async function"):
        getattr(Handlers(), way)("thing.made")(forgot)
