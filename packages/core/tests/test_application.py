"""The factory: building opens nothing, starting opens all of it in order, and one that is misbuilt does not start."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import structlog
from bare import bare
from example.things.announcements import announcements
from example.things.router import v1, v2
from fastapi.routing import APIRoute

from core.application import service as make_service
from core.client import InProcess
from core.dependencies.resources import READINESS, STATE
from core.ids import format_id, new_id
from core.lifespan import StartupError, held_back, started
from core.mail import FolderMail
from core.ports import Ports
from core.resources import Resource
from core.routing import installed, register
from core.testing import problem, running
from core.testing.open_router import OpenRouter
from core.tokens.keys import Keys, generate_key, key_id, public_jwk
from core.tokens.local import LocalKey
from core.tokens.signing import sign_access_token

log = structlog.get_logger("tests")

CONNECTIONS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'example' ORDER BY pid
"""


async def test_building_opens_nothing(service):
    unreachable = service.settings(environment="local", database={"url": "postgresql://u@127.0.0.1:1/d"})
    app = service.create_app(unreachable, Ports())
    assert installed(app)
    assert app.middleware_stack is None
    with pytest.raises(StartupError, match=r"example: database did not open: .*\(ConnectionRefusedError"):
        async with running(app):
            pass


def test_an_installed_service_has_its_version_and_another_has_none():
    assert (bare(name="core").version, bare(name="not-installed").version) == ("0.1.0", "0")


async def test_a_broken_route_table_stops_the_start_and_no_build():
    router = OpenRouter(prefix="/v1/broken", tags=["broken"])

    async def no_model():
        return {}

    router.add_api_route("", no_model, response_model=None)
    app = bare(router)
    with pytest.raises(StartupError, match="GET /v1/broken states no response model"):
        async with running(app):
            pass


async def test_resources_open_in_order_and_close_in_reverse(settings, ports):
    said: list[str] = []

    class First:
        """Declared first."""

    class Second:
        """Declared second, and opened with what is there by then."""

    def opening(kind):
        @asynccontextmanager
        async def opened(resources):
            said.append(f"{kind.__name__} opens among {[each.__name__ for each in resources.declared]}")
            yield kind()
            said.append(f"{kind.__name__} closes")

        return Resource(kind, opened)

    app = make_service("example", settings, ports, routers=[], resources=[opening(First), opening(Second)])
    async with started(app, name="app") as state:
        assert state.keys() == {STATE, READINESS}
        resources = state[STATE]
        assert isinstance(resources[Second], Second)
        assert (resources.name, resources.settings, resources.clock) == ("example", settings, ports.clock)
        assert isinstance(resources.mail, FolderMail)
        assert state[READINESS].states == {"database": "ok"}
        with pytest.raises(KeyError, match="example declares no resource"):
            resources[int]
    assert said == ["First opens among []", "Second opens among ['First']", "Second closes", "First closes"]


async def test_a_resource_that_does_not_open_is_named_and_those_before_it_close(settings, ports):
    said: list[str] = []

    class First:
        """Opens."""

    class Second:
        """Does not."""

    @asynccontextmanager
    async def first(_resources):
        yield First()
        said.append("First closes")

    @asynccontextmanager
    async def second(_resources):
        raise ConnectionError("refused")
        yield

    resources = [Resource(First, first), Resource(Second, second)]
    app = make_service("example", settings, ports, routers=[], resources=resources)
    with pytest.raises(StartupError, match="example: Second did not open: ConnectionError: refused"):
        async with running(app):
            pass
    assert said == ["First closes"]


class NoKeys:
    """Knows no key."""

    async def find(self, kid):
        return None


class Issuer:
    """Publishes one key, as the users service does; and signs with it."""

    def __init__(self) -> None:
        self.key = generate_key()
        self.asked: list[str] = []

    async def __call__(self, scope, receive, send) -> None:
        self.asked.append(scope["path"])
        body = orjson.dumps({"keys": [public_jwk(self.key)]})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def header(self, issuer: str) -> dict[str, str]:
        now = datetime.now(UTC)
        token = sign_access_token(
            key=self.key,
            kid=key_id(self.key),
            issuer=issuer,
            audience=["api"],
            subject=format_id("usr", new_id()),
            client_id="tests",
            session_id=new_id(),
            scopes=(),
            roles=(),
            auth_time=now,
            now=now,
            lifetime=timedelta(minutes=5),
        )
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": "1"}


@pytest.mark.parametrize("believes", [True, False])
async def test_keys_that_a_service_declares_verify_its_tokens(settings, ports, believes):
    """A service that issues tokens believes its own, without asking itself over HTTP."""
    issuer = Issuer()
    own = LocalKey(issuer.key, issuer.key.public_key(), key_id(issuer.key))

    @asynccontextmanager
    async def open_keys(_resources):
        yield own if believes else NoKeys()

    # Without a data directory there is no key of the machine beside the one declared.
    elsewhere = settings.model_copy(update={"data_dir": None})
    declared = {"announces": [announcements], "resources": [Resource(Keys, open_keys)]}
    app = make_service("example", elsewhere, ports, routers=[v1, v2], **declared)
    async with running(app) as client:
        response = await client.post("/v1/things", json={"name": "a"}, headers=issuer.header("http://service.test"))
    assert (response.status_code == 201) is believes
    assert believes or problem(response) == (401, "unauthenticated")
    assert issuer.asked == []


@pytest.mark.parametrize(
    ("tokens", "path"),
    [
        ({"issued_by": "users"}, "/v1/keys/.well-known/jwks.json"),
        ({"issued_by": "users", "jwks_url": "http://users.test/keys"}, "/keys"),
    ],
)
async def test_keys_that_a_sibling_publishes_verify_tokens(service, settings, tokens, path):
    issuer = Issuer()
    given = {"clients": {"users": {"url": "http://users.test/v1/keys"}}, "tokens": tokens}
    settings = type(settings).model_validate(settings.model_dump() | given)
    ports = Ports(transports={"users": InProcess(issuer)})
    async with running(service.create_app(settings, ports)) as client:
        header = issuer.header("http://users.test/v1/keys")
        assert (await client.post("/v1/things", json={"name": "a"}, headers=header)).status_code == 201
    assert issuer.asked == [path]


async def test_keys_that_an_issuer_elsewhere_publishes_verify_tokens(service, settings):
    issuer = Issuer()
    tokens = {"issuer": "http://issuer.test"}
    settings = type(settings).model_validate(settings.model_dump() | {"tokens": tokens})
    ports = Ports(transports={"access token issuer": InProcess(issuer)})
    async with running(service.create_app(settings, ports)) as client:
        header = issuer.header("http://issuer.test")
        assert (await client.post("/v1/things", json={"name": "a"}, headers=header)).status_code == 201
    assert issuer.asked == ["/.well-known/jwks.json"]


async def test_where_nobody_issues_tokens_a_strangers_is_refused_and_nobody_is_asked(client, logs):
    response = await client.post("/v1/things", json={"name": "a"}, headers=Issuer().header("http://service.test"))
    assert problem(response) == (401, "unauthenticated")
    assert [line for line in logs if line["level"] != "info"] == []


async def test_a_mail_that_a_host_gives_is_the_one(settings):
    mail = FolderMail(settings.data_dir / "elsewhere", "a@b.example")
    async with started(make_service("example", settings, Ports(mail=mail), routers=[]), name="app") as state:
        assert state[STATE].mail is mail


async def test_work_in_the_background_is_said_in_the_name_of_the_service(settings, ports, logs):
    class Job:
        """A task of its own."""

    @asynccontextmanager
    async def job(_resources):
        async def run():
            log.info("at work")

        await asyncio.create_task(run())
        yield Job()

    async with started(
        make_service("example", settings, ports, routers=[], resources=[Resource(Job, job)]), name="app"
    ):
        pass
    (line,) = (line for line in logs if line["event"] == "at work")
    assert (line["service.name"], line["service.version"], line["deployment.environment.name"]) == (
        "example",
        "0",
        "local",
    )


async def test_the_first_requests_of_a_service_connect_nothing(app, admin, signed_in):
    # What works in the background takes connections of its own.
    with held_back():
        async with running(app) as client:
            before = await admin.fetch(CONNECTIONS)
            made = await client.post("/v1/things", json={"name": "a"}, headers=signed_in() | {"Idempotency-Key": "1"})
            read = await client.get(f"/v1/things/{made.json()['id']}")
            assert (made.status_code, read.status_code) == (201, 200)
            # Two that write, two that read, and the heartbeat's.
            assert len(before) == 5
            assert await admin.fetch(CONNECTIONS) == before


def test_an_application_takes_routes_until_it_starts():
    app = bare()
    router = OpenRouter(prefix="/v1/later", tags=["later"])

    @router.get("")
    async def later() -> None: ...

    before = len(app.routes)
    register(app, router)
    assert isinstance(app.routes[before], APIRoute)
