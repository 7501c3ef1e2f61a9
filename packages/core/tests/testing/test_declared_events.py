"""What the conformance suite finds wrong in the events that a service declares."""

from collections.abc import Awaitable, Sequence
from typing import Any
from uuid import UUID

import pytest

from core.events import Announced, Announcements, Catalogue, Replay, Replays
from core.testing.conformance.events import faults, replay_fault


class Key(Announced):
    api_key: str


class UserState(Announced):
    id: str


class KeyState(Announced):
    id: str
    keys: tuple[Key, ...]


IDS = [UUID(int=number) for number in range(1, 8)]


def replays_of(ids: Sequence[UUID], *, total: int | None = None) -> Replays:
    """Tells things of these ids again, and says that there are so many."""
    replays = Replays()

    async def count(_session, _resources) -> int:
        return len(ids) if total is None else total

    @replays.of("users", count=count)
    async def retell(_session, _resources, after, limit) -> Sequence[UUID]:
        begin = 0 if after is None else ids.index(after) + 1
        return ids[begin : begin + limit]

    return replays


def announcing(type_: str, model: type[Announced]) -> Announcements:
    announcements = Announcements()
    announcements.tells(type_)(model)
    return announcements


def found(**declared) -> list[str]:
    return list(faults(Catalogue.of("users", **{name: [each] for name, each in declared.items()})))


def fault_of(replay: Replay) -> Awaitable[str | None]:
    """What the suite says of a replay that needs neither a session nor resources."""
    nothing: Any = None
    return replay_fault(replay, nothing, nothing)


def test_a_service_without_events_is_in_order():
    assert found() == []


def test_what_can_be_told_again_is_in_order():
    assert found(announces=announcing("user.activated", UserState), replays=replays_of(IDS)) == []


@pytest.mark.parametrize(
    "type_", ["activated", "User.activated", "user..activated", "user.*", "user activated", "user.activated!"]
)
def test_a_type_that_no_bus_can_carry_is_found(type_):
    (fault,) = found(announces=announcing(type_, UserState), replays=replays_of(IDS))
    assert fault == f"{type_} is no type of event: a thing and what happened to it, as in user.activated"


def test_a_secret_is_found_at_any_depth():
    (fault,) = found(announces=announcing("user.activated", KeyState), replays=replays_of(IDS))
    assert fault == "user.activated tells a secret: api_key"


def test_announcements_that_cannot_be_told_again_are_found():
    (fault,) = found(announces=announcing("user.activated", UserState))
    assert fault == "nothing of what is announced can be told again to a service that starts later"


@pytest.mark.parametrize("number", [0, 1, 3, 4, 7])
async def test_a_replay_in_order_is_in_order(number):
    (replay,) = replays_of(IDS[:number]).declared
    assert await fault_of(replay) is None


@pytest.mark.parametrize("total", [0, 1, 2, 4])
async def test_a_replay_that_tells_more_or_less_than_there_is_is_found(total):
    (replay,) = replays_of(IDS[:3] if total < 3 else IDS[:2], total=total).declared
    assert "things" in (await fault_of(replay) or "")


@pytest.mark.parametrize("ids", [[IDS[1], IDS[0]], [IDS[0], IDS[1], IDS[3], IDS[2]]], ids=["in a page", "over pages"])
async def test_a_replay_that_jumps_about_is_found(ids):
    (replay,) = replays_of(ids).declared
    assert await fault_of(replay) == "users: they are not told in the order of their ids, each once"


async def test_a_replay_that_tells_a_thing_twice_is_found():
    replays = Replays()

    async def count(_session, _resources) -> int:
        return 3

    @replays.of("users", count=count)
    async def retell(_session, _resources, after, _limit) -> Sequence[UUID]:
        """Goes on with the one after which it should."""
        return IDS[:3] if after is None else IDS[2:3]

    (replay,) = replays.declared
    assert await fault_of(replay) == "users: they are not told in the order of their ids, each once"
