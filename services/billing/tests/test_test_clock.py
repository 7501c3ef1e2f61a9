"""The clock that a developer moves: only forward, for all replicas, and nothing but business time."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from billing.app import create_app
from billing.clock import BusinessClock
from billing.payments.provider import Sandbox
from billing.test_clock.repository import OffsetQueries
from billing.test_clock.service import Level
from core.clock import SystemClock
from core.database import DatabaseUnavailable
from core.dependencies.resources import STATE
from core.lifespan import StartupError, started
from core.ports import Ports
from core.testing import problem

# A clock of its own: it cannot be moved back for those who come after.
SETTINGS: dict[str, object] = {}
DAY = timedelta(days=1)
pytestmark = pytest.mark.usefixtures("polled_often")


@pytest.fixture
def developer(person):
    """Who may move the clock, and read it."""
    return person("billing:write", "billing:read")


@pytest.fixture
def advance(developer):
    """`await advance(to)`: moves the clock to an instant, and gives the answer."""

    async def post(to):
        return await developer.post("/v1/test-clock/advance", {"to": to.isoformat()})

    return post


@pytest.fixture
def now(developer):
    """`await now()`: business time."""

    async def read():
        return datetime.fromisoformat((await developer.get("/v1/test-clock")).json()["now"])

    return read


async def test_the_clock_moves_forward(developer, advance, now, shop):
    before = await now()
    answer = (await advance(before + 40 * DAY)).json()
    assert datetime.fromisoformat(answer["now"]) >= before + 40 * DAY
    assert timedelta(seconds=answer["offset_s"]) == shop.resources.clock.ahead
    assert (await developer.get("/v1/test-clock")).json() == answer | {"due": {"subscriptions": 0, "invoices": 0}}


async def test_what_it_makes_due_is_billed_at_once(payer, price, advance, now, becomes, developer):
    subscription = await payer.subscribe(price)
    answer = (await advance(datetime.fromisoformat(subscription["current_period_end"]))).json()
    assert answer["due"]["subscriptions"] >= 1

    async def is_renewed():
        (read,) = (await payer.get("/v1/subscriptions")).json()["data"]
        is_paid = read["latest_invoice"]["status"] == "paid"
        return read["current_period_end"] > subscription["current_period_end"] and is_paid

    await becomes(is_renewed)
    assert (await developer.get("/v1/test-clock")).json()["due"] == {"subscriptions": 0, "invoices": 0}


@pytest.mark.parametrize("back", [timedelta(0), timedelta(seconds=1), 400 * DAY])
async def test_it_does_not_move_back(advance, now, back):
    there = await now()
    refused = await advance(there - back)
    assert problem(refused) == (422, "clock_moves_forward")
    assert refused.json()["errors"][0]["pointer"] == "#/to"
    assert await now() == there


async def test_it_moves_by_ten_years_at_most(advance, now, shop):
    before, latest = await now(), shop.clock.now() + timedelta(days=3653)
    refused = await advance(latest + timedelta(seconds=1))
    assert problem(refused) == (422, "clock_too_far_ahead")
    assert f"{latest:%Y-%m-%dT%H:%M:%SZ}" in refused.json()["detail"]
    assert await now() == before


@pytest.mark.parametrize("to", ["tomorrow", "2030-01-01", "2030-01-01T00:00:00", 1_893_456_000, None])
async def test_it_moves_to_an_instant_alone(developer, to):
    refused = await developer.post("/v1/test-clock/advance", {"to": to})
    assert problem(refused) == (422, "validation_failed")


async def test_only_who_writes_moves_it_and_only_who_reads_sees_it(person):
    later = {"to": (datetime.now(UTC) + 4000 * DAY).isoformat()}
    assert problem(await person("billing:read").post("/v1/test-clock/advance", later)) == (403, "insufficient_scope")
    assert problem(await person("billing:write").get("/v1/test-clock")) == (403, "insufficient_scope")


async def test_of_two_who_move_it_at_once_both_get_no_earlier_than_they_asked_for(advance, now):
    before = await now()
    answers = await asyncio.gather(*(advance(before + days * DAY) for days in (3, 1, 2, 5, 4)))
    assert {answer.status_code for answer in answers} <= {200, 422}
    assert await now() >= before + 5 * DAY


async def test_tokens_and_events_do_not_age_with_it(payer, advance, now, rows):
    """A token lives for minutes, and the reminder of a payment is an hour away: the tests' setting."""
    await advance(await now() + 365 * DAY)
    assert (await payer.get("/v1/customers/me")).status_code == 200
    (next_due,) = await rows(
        "SELECT min(due_at) - now() < interval '2 hours' AS soon FROM outbox WHERE sent_at IS NULL"
    )
    assert next_due["soon"] in {True, None}


@pytest.fixture(scope="module")
async def ordinary(open_shop):
    """The service without the setting."""
    async with open_shop({"test_clock": False}) as shop:
        yield shop


async def test_the_host_and_its_other_services_stay_where_they_are(shop, advance, now):
    host = shop.clock.now()
    await advance(await now() + DAY)
    assert shop.clock.now() == host


async def test_without_the_setting_there_is_no_such_clock(ordinary):
    developer = ordinary.person("billing:write", "billing:read")
    later = {"to": (ordinary.clock.now() + DAY).isoformat()}
    assert problem(await developer.get("/v1/test-clock")) == (404, "not_found")
    assert problem(await developer.post("/v1/test-clock/advance", later)) == (404, "not_found")
    assert ordinary.resources.clock is ordinary.clock


@pytest.fixture
def replica(service, shop, tmp_path):
    """`async with replica() as resources`: one more process on the same database."""

    def start():
        settings = shop.resources.settings.model_copy(update={"data_dir": tmp_path})
        return started(create_app(settings, Ports(clock=shop.clock)), name="replica")

    return start


async def test_time_goes_on_where_it_was_after_a_restart(replica, advance, now):
    await advance(await now() + 30 * DAY)
    before = await now()
    async with replica() as state:
        assert state[STATE].clock.now() == before


async def test_another_replica_keeps_up(replica, advance, now, becomes):
    async with replica() as state:
        there = (await now()) + 30 * DAY
        await advance(there)

        async def is_level():
            return state[STATE].clock.now() == await now()

        await becomes(is_level)


async def test_a_database_that_is_away_is_waited_for(shop, monkeypatch, logs):
    """Twice away, then back, then the process ends; what was known still is."""
    monkeypatch.setattr("billing.test_clock.service.REFRESH_INTERVAL_S", 0.001)
    clock, found = BusinessClock(SystemClock()), [30, None, None, 40, 50]

    class Offsets(OffsetQueries):
        async def offset_s(self):
            if not found:
                raise asyncio.CancelledError
            if (offset_s := found.pop(0)) is None:
                raise DatabaseUnavailable
            return offset_s

    level = Level(Offsets(shop.resources.database.reads), clock)
    with pytest.raises(asyncio.CancelledError):
        await level.run()
    assert clock.ahead == timedelta(seconds=50)
    assert [line["event"] for line in logs] == ["test clock waits", "test clock goes on"]


async def test_where_money_moves_the_setting_is_refused_at_the_start(replica, monkeypatch):
    monkeypatch.setattr(Sandbox, "moves_money", True)
    with pytest.raises(StartupError, match="BILLING_TEST_CLOCK is on, and sandbox moves money: set it to false"):
        async with replica():
            pass


def test_business_time_is_never_moved_back():
    clock = BusinessClock(SystemClock())
    clock.move(2 * DAY)
    clock.move(DAY)
    assert clock.ahead == 2 * DAY
