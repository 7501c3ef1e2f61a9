"""A process is sent requests while its checks succeed; one failure is no outage, one success no recovery."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from core.application import chassis
from core.dependencies.resources import READINESS
from core.lifespan import started
from core.mount import ServiceMount
from core.settings import ChassisSettings
from core.testing import SERVICE_URL, Host, problem, running
from core.web import probes
from core.web.probes import Readiness


class Dependency:
    """Something that works or not, and counts how often it was asked."""

    def __init__(self) -> None:
        self.works = True
        self.asked = 0

    async def check(self) -> None:
        self.asked += 1
        if not self.works:
            raise ConnectionError("password=canary-hunter2") from OSError("refused")


@pytest.fixture
def dependency() -> Dependency:
    return Dependency()


@pytest.fixture
def readiness(dependency) -> Readiness:
    return Readiness({"database": dependency.check})


async def outcomes(readiness, dependency, works: str) -> str:
    """What is said after each check, `+` for well: `+---` becomes `+++-`."""
    said = ""
    for sign in works:
        dependency.works = sign == "+"
        await readiness.check()
        said += "+" if readiness.states == {"database": "ok"} else "-"
    return said


async def test_before_its_first_check_a_process_is_not_ready(readiness):
    assert (readiness.ready, readiness.states) == (False, {"database": "unknown"})


@pytest.mark.parametrize("works", ["+", "-"])
async def test_the_first_check_decides_alone(readiness, dependency, works):
    assert await outcomes(readiness, dependency, works) == works
    assert readiness.ready is (works == "+")
    assert readiness.states == {"database": "ok" if works == "+" else "failing"}


@pytest.mark.parametrize(
    ("works", "said"),
    [
        # Three failures to fall, two successes to rise, each in a row, counted anew after each change.
        ("+---", "+++-"),
        ("-++", "--+"),
        ("+--+--+--+", "++++++++++"),
        ("-+-+-+-", "-------"),
        ("+---++---", "+++--+++-"),
    ],
)
async def test_one_failure_is_no_outage_and_one_success_no_recovery(readiness, dependency, works, said):
    assert await outcomes(readiness, dependency, works) == said


async def test_a_change_is_logged_once_with_its_reason(readiness, dependency, logs):
    await outcomes(readiness, dependency, "+-----+++")
    assert [(line["check"], line["state"], line["reason"]) for line in logs] == [
        ("database", "failing", "ConnectionError: password=*** <- OSError: refused"),
        ("database", "ok", None),
    ]


async def test_a_first_failure_is_logged(readiness, dependency, logs):
    await outcomes(readiness, dependency, "--")
    assert [line["state"] for line in logs] == ["failing"]


async def test_a_check_that_takes_too_long_has_failed(monkeypatch):
    monkeypatch.setattr(probes, "CHECK_TIMEOUT_S", 0.01)
    readiness = Readiness({"slow": lambda: asyncio.sleep(60)})
    await asyncio.wait_for(readiness.check(), 30)
    assert readiness.states == {"slow": "failing"}


async def test_checks_run_again_and_again(dependency, becomes):
    async def asked_again() -> bool:
        return dependency.asked >= 3

    task = asyncio.create_task(Readiness({"database": dependency.check}, interval_s=0.01).run())
    await becomes(asked_again)
    task.cancel()


def test_who_mounts_services_is_ready_when_all_of_them_are():
    ok, failing = Readiness({"database": Dependency().check}), Readiness({"database": Dependency().check})
    host = Readiness(mounted={"users": ok, "billing": failing})
    assert host.states == {"users.database": "unknown", "billing.database": "unknown"}
    asyncio.run(ok.check())
    assert not host.ready
    asyncio.run(failing.check())
    assert (host.ready, host.states) == (True, {"users.database": "ok", "billing.database": "ok"})


def checked(dependency, *, environment="local"):
    """An application with one check."""
    settings = ChassisSettings(environment=environment, public_url=SERVICE_URL)

    @asynccontextmanager
    async def lifespan(readiness):
        readiness.checks["database"] = dependency.check
        yield {}

    return chassis("example", settings, routers=[], lifespan=lifespan)


async def test_readiness_is_answered_from_memory(dependency):
    async with running(checked(dependency)) as client:
        await asyncio.sleep(0)
        asked = dependency.asked
        for _ in range(5):
            assert (await client.get("/readyz")).status_code == 200
    assert dependency.asked == asked


@pytest.mark.parametrize(
    ("environment", "shown"), [("local", {"database": "failing"}), ("staging", None), ("production", None)]
)
async def test_who_is_not_ready_says_why_on_a_laptop_only(dependency, environment, shown):
    dependency.works = False
    async with running(checked(dependency, environment=environment)) as client:
        response = await client.get("/readyz")
        assert problem(response) == (503, "not_ready")
        assert response.headers["retry-after"]
        assert response.json().get("checks") == shown
        assert "canary" not in response.text
        # It lives, and it has started: only requests should go elsewhere.
        assert (await client.get("/livez")).json() == {"status": "ok"}
        assert (await client.get("/startupz")).json() == {"status": "ok"}


async def test_who_is_ready_shows_its_checks_on_a_laptop_only(dependency):
    async with running(checked(dependency)) as client:
        assert (await client.get("/readyz")).json() == {"status": "ok", "checks": {"database": "ok"}}
    async with running(checked(dependency, environment="production")) as client:
        assert (await client.get("/readyz")).json() == {"status": "ok"}


async def test_who_drains_is_not_ready_and_lives(dependency):
    app = checked(dependency)
    async with started(app, name="app") as state:
        state[READINESS].drain()
        async with running(app) as client:
            assert problem(await client.get("/readyz")) == (503, "not_ready")
            assert (await client.get("/livez")).status_code == 200


def test_with_a_host_drain_the_services_within_it():
    within = Readiness()
    host = Readiness(mounted={"users": within})
    assert within.ready
    host.drain()
    assert not within.ready


async def test_before_all_was_checked_a_process_has_not_started(dependency):
    app = checked(dependency)
    async with started(app, name="app") as state, running(app) as client:
        state[READINESS].checks["later"] = dependency.check
        assert problem(await client.get("/startupz")) == (503, "not_ready")
        assert problem(await client.get("/readyz")) == (503, "not_ready")


async def test_a_mounted_service_answers_for_itself_and_tells_its_host(dependency):
    mount = ServiceMount("example", checked(dependency))
    async with running(Host(mount)) as client:
        assert (await client.get("/example/readyz")).status_code == 200
        assert mount.state[READINESS].states == {"database": "ok"}


async def test_a_probe_can_be_asked_with_head(dependency):
    async with running(checked(dependency)) as client:
        assert [(await client.head(path)).status_code for path in ("/livez", "/readyz", "/startupz")] == [200] * 3
        assert problem(await client.post("/livez")) == (405, "method_not_allowed")
