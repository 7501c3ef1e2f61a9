"""A secret, from the configuration or from a client, is on no surface: canaries are planted, then looked for."""

import asyncio
import re
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import reduce
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from core.cli import service_cli
from core.lifespan import StartupError, started
from core.ports import Ports
from core.services import Service
from core.settings import EX_CONFIG, ServiceSettings, describe, env_example, load
from core.settings.fields import table_of
from core.settings.types import SecretUrl
from core.telemetry.logs import logging_to
from core.testing.conformance.grounds import LIMITS, check_there_is
from core.testing.conformance.places import EDGE, MOUNTED, Place, placed
from core.testing.databases import TemplateDatabase
from core.testing.edges import Edges
from core.testing.exits import AFTERWARDS, CUT_SHORT, EXITS
from core.testing.locally import given_locally, minting

Placing = Callable[[ServiceSettings, Ports], AbstractAsyncContextManager[Place]]

# Random enough for any rule on secrets.
CANARY = "planted-7c1e55d0a9b84f32e6"

_NOWHERE = f"postgresql://user:{CANARY}@127.0.0.1:1/none"

# Where a client sends what only it and the service may know.
_SENT = {
    "Authorization": f"Bearer {CANARY}",
    "Cookie": f"session={CANARY}",
    "X-API-Key": CANARY,
    "Proxy-Authorization": f"Basic {CANARY}",
}
_BODIES = [
    {"name": [CANARY]},
    {"name": {"password": CANARY}},
    {"name": "a", "password": CANARY},
    {"name": CANARY, "unknown": CANARY},
    CANARY,
]


class Secrets:
    @pytest.fixture
    async def planted(
        self, service: Service, template: TemplateDatabase, tmp_path: Path
    ) -> AsyncIterator[dict[str, Any]]:
        """Settings full of canaries, and a database of their own."""
        name = await template.copy()
        user, at, rest = template.postgres.url(name).partition("@")
        yield _planted(service, f"{user}:{CANARY}{at}{rest}", tmp_path)
        await template.drop(name)

    @pytest.fixture(params=["json", "console"])
    def printed(self, request: pytest.FixtureRequest) -> Iterator[list[str]]:
        """Every line of the log in one form."""
        lines: list[str] = []
        with logging_to(lambda line: lines.append(line.decode()), level="debug", form=request.param):
            yield lines

    @pytest.fixture(params=[MOUNTED, EDGE])
    def placing(self, request: pytest.FixtureRequest, service: Service, edges: Edges) -> Placing:
        """What runs the service on such settings: below a host, and behind the edge."""
        check_there_is(request.param)
        return lambda settings, ports: placed(service, settings, request.param, ports, edges)

    async def test_no_secret_is_answered_logged_traced_counted_or_stored(
        self,
        service: Service,
        planted: dict[str, Any],
        tmp_path: Path,
        printed: list[str],
        placing: Placing,
    ) -> None:
        settings = service.settings.model_validate(planted)
        token = (await asyncio.to_thread(minting, settings, tmp_path))()
        spans = InMemorySpanExporter()
        ports = Ports(span_processors=[SimpleSpanProcessor(spans)])
        async with placing(settings, ports) as place:
            answers = [text async for text in _answers(place, token)]
            stored = await _stored(settings)
        traced = [span.to_json() for span in spans.get_finished_spans()]
        assert all([answers, stored, traced, printed])
        mailed = await asyncio.to_thread(_mailed, tmp_path / "mail")
        _check([*answers, *stored, *traced, *printed, *mailed], token)

    def test_no_secret_is_shown_by_settings_or_commands(
        self,
        service: Service,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        given = _planted(service, _NOWHERE, tmp_path)
        loaded = load(service.settings, overrides=given, environ={})
        settings = loaded.settings
        shown = [repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump()), repr(loaded)]
        shown += [repr(describe(loaded)), env_example(service.settings)]
        for name, value in _environment(service, given):
            monkeypatch.setenv(name, value)
        for command in (["settings"], ["settings", "--env-example"], ["--help"], ["openapi"], ["routes"]):
            monkeypatch.setattr(sys, "argv", [service.name, *command])
            with pytest.raises(SystemExit):
                service_cli(service.name)()
            shown += capfd.readouterr()
        _check(shown)

    def test_no_secret_is_in_the_text_of_a_failed_boot(
        self,
        service: Service,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        wrong = {
            "SERVER__PORT": "0",
            "DATABASE_PASSWORD": CANARY,
            "SECRETKEY": CANARY,
            "PUBLIC_URL": f"x://a:{CANARY}@b",
        }
        prefix = f"{service.name.upper()}_"
        environment = dict(_environment(service, _planted(service, _NOWHERE, tmp_path)))
        environment |= {prefix + name: value for name, value in wrong.items()}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for command in (["serve"], ["settings"]):
            monkeypatch.setattr(sys, "argv", [service.name, *command])
            with pytest.raises(SystemExit) as ended:
                service_cli(service.name)()
            assert ended.value.code == EX_CONFIG
            said = capfd.readouterr()
            assert f"{prefix}SERVER__PORT=0" in said.err
            _check(said)

    async def test_no_secret_is_told_of_a_database_that_lets_nobody_in(
        self, service: Service, planted: dict[str, Any], template: TemplateDatabase, printed: list[str]
    ) -> None:
        url = template.postgres.url("no_such_database")
        planted["database"]["url"] = url.replace("@", f":{CANARY}@", 1)
        app = await asyncio.to_thread(service.create_app, service.settings.model_validate(planted), Ports())
        async with AsyncExitStack() as stack:
            with pytest.raises(StartupError) as failed:
                await stack.enter_async_context(started(app, name=service.name))
        _check([str(failed.value), *traceback.format_exception(failed.value), *printed])


def _planted(service: Service, database_url: str, folder: Path) -> dict[str, Any]:
    """What a laptop's service is given, with a canary in every setting that is secret."""
    given = given_locally(database_url=database_url, folder=folder)
    given["database"] |= LIMITS
    built = service.settings.model_validate(given)
    for variable in table_of(service.settings).variables:
        # An address without a password has no place for one, and one that is open has to stay so.
        if variable.secret and not isinstance(reduce(getattr, variable.path, built), SecretUrl):
            *groups, last = variable.path
            reduce(lambda group, key: group.setdefault(key, {}), groups, given)[last] = f"{CANARY}-0123456789abcdef"
    return given


def _environment(service: Service, given: Mapping[str, Any], *path: str) -> Iterator[tuple[str, str]]:
    """The variables that say the same."""
    for key, value in given.items():
        if isinstance(value, Mapping):
            yield from _environment(service, value, *path, key)
        else:
            name = f"{service.name}_{'__'.join((*path, key))}".upper()
            yield name, ",".join(value) if isinstance(value, list) else str(value)


def _check(texts: Iterable[str], *secrets: str) -> None:
    """Fails, and says where, if any of the texts shows a canary or one of these secrets."""
    found = re.compile("|".join(map(re.escape, (CANARY, *secrets))))
    shown = [text[max(0, at.start() - 300) : at.end() + 100] for text in texts if (at := found.search(text))]
    assert not shown, "a secret is shown:\n\n" + "\n\n".join(shown)


async def _answers(place: Place, token: str) -> AsyncIterator[str]:
    """Everything that is answered to requests that hold canaries wherever one can be."""
    for exit_ in [*EXITS.values(), *AFTERWARDS.values(), *CUT_SHORT.values()]:
        try:
            yield _text(await place.take(exit_, **_SENT, **exit_.headers))
        except httpx.RemoteProtocolError:
            assert exit_ in CUT_SHORT.values()
    query = {"token": CANARY, "status": CANARY, CANARY: CANARY}
    for path in ("/v1/exits/http-exception", "/v1/exits/handler", "/v1/exits/careless", "/v1/nothing-here", "/livez"):
        yield _text(await place.client.get(path, params=query, headers=_SENT))
    for body in _BODIES:
        yield _text(await place.client.post("/v1/exits/things", json=body, headers=_SENT))
    yield _text(await place.client.post("/v1/exits/things", content=f'{{"name": {CANARY}'.encode(), headers=_SENT))
    authorized = {"Authorization": f"Bearer {token}", "Idempotency-Key": "once"}
    # What the service makes of a body is its business; these have none that says anything.
    for method, path in place.operations("nothing"):
        yield _text(await place.client.request(method, path, json={}, headers=_SENT | authorized))
    for _ in range(2):
        yield _text(await place.client.post("/v1/exits/once", json={"name": CANARY}, headers=_SENT | authorized))
    for page in ("/docs", "/openapi.json", "/metrics", "/readyz", "/problems/not_found"):
        yield _text(await place.inside.get(page))


def _text(response: httpx.Response) -> str:
    return f"{response.status_code} {response.headers} {response.text}"


def _mailed(folder: Path) -> list[str]:
    return [file.read_text() for file in folder.glob("**/*") if file.is_file()]


async def _stored(settings: ServiceSettings) -> list[str]:
    """Every row of every table, the outbox and the stored answers among them."""
    connection = await asyncpg.connect(settings.database.url.get_secret_value())
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [await connection.fetch(f'SELECT t::text FROM "{table["tablename"]}" t') for table in tables]  # noqa: S608 - names of our own tables
        return [row[0] for table in rows for row in table]
    finally:
        await connection.close()
