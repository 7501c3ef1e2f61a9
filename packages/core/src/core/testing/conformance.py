"""What every service does, wherever it runs; a service inherits it with `class TestConformance(Conformance)`."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from core.database import Database, open_database
from core.mount import ServiceMount
from core.ports import Ports
from core.routing import installed, register
from core.services import Service
from core.settings import ServiceSettings
from core.testing.applications import SERVICE_URL, Host, running
from core.testing.databases import TemplateDatabase
from core.testing.exits import exits
from core.testing.locally import WEB_ORIGIN, Mint, local_settings, minting
from core.testing.problems import problem

# Soon enough for a test, late enough for everything that is not meant to be late.
DEADLINE_S = 0.3
BODY_MAX = 1_048_576


@dataclass(frozen=True, slots=True)
class Conforming:
    """What the service under test runs with."""

    settings: ServiceSettings
    mint: Mint


class Conformance:
    """The suite; each test runs against the service standalone and mounted."""

    @pytest.fixture(scope="class")
    async def conforming(
        self, service: Service, template: TemplateDatabase, tmp_path_factory: pytest.TempPathFactory
    ) -> AsyncIterator[Conforming]:
        """One database and one folder for the whole suite: it changes nothing that its next test would notice."""
        database = await template.copy()
        folder = tmp_path_factory.mktemp("conformance")
        settings = local_settings(service, database_url=template.postgres.url(database), folder=folder)
        yield Conforming(settings, await asyncio.to_thread(minting, settings, folder))
        await template.drop(database)

    @pytest.fixture(scope="class", params=["standalone", "mounted"])
    async def somewhere(
        self, request: pytest.FixtureRequest, service: Service, conforming: Conforming
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the service with the failing operations added to it."""
        app: Any = service.create_app(conforming.settings, Ports())
        register(app, exits)
        app.deadlines.timeout_s = DEADLINE_S
        assert installed(app), "requests do not go through the route index"
        if request.param == "standalone":
            async with running(app) as client:
                yield client
            return
        async with running(Host(ServiceMount(service.name, app)), base_url=f"{SERVICE_URL}/{service.name}") as client:
            yield client

    @pytest.fixture
    async def tables(self, conforming: Conforming) -> AsyncIterator[Database]:
        """The database beside the application, without what the test before has left."""
        async with open_database(conforming.settings.database, name="conformance") as database:
            async with database.transaction() as session:
                await session.execute(text("DROP TABLE IF EXISTS conformance_refused, conformance_kept"))
            yield database

    async def test_an_unknown_route_is_not_found(self, somewhere: httpx.AsyncClient) -> None:
        assert problem(await somewhere.get("/v1/nothing-here")) == (404, "not_found")

    async def test_a_wrong_method_is_told_every_method_that_is_allowed(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.delete("/v1/conformance/caller")
        assert problem(response) == (405, "method_not_allowed")
        assert response.headers["allow"] == "GET, HEAD"

    async def test_head_answers_like_get_without_its_body(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.head("/livez")
        assert (response.status_code, response.content) == (200, b"")

    async def test_what_is_well_formed_is_answered(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.post("/v1/conformance/things", json={"name": "a"})
        assert (response.status_code, response.json()) == (200, {"name": "a"})

    async def test_malformed_json_is_refused(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.post(
            "/v1/conformance/things", content=b'{"name": ', headers={"Content-Type": "application/json"}
        )
        assert problem(response) == (400, "malformed_json")

    @pytest.mark.parametrize("content", [b'{"name": "\xff"}', b"[" * 100_000, b'{"name": ' + b"9" * 5000 + b"}"])
    async def test_what_is_json_to_nobody_is_malformed(self, somewhere: httpx.AsyncClient, content: bytes) -> None:
        response = await somewhere.post(
            "/v1/conformance/things", content=content, headers={"Content-Type": "application/json"}
        )
        assert problem(response) == (400, "malformed_json")

    async def test_a_compressed_body_is_refused(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.post(
            "/v1/conformance/things", json={"name": "a"}, headers={"Content-Encoding": "gzip"}
        )
        assert problem(response) == (415, "unsupported_media_type")

    async def test_another_content_type_is_refused(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.post(
            "/v1/conformance/things", content=b'{"name": "a"}', headers={"Content-Type": "text/plain"}
        )
        assert problem(response) == (415, "unsupported_media_type")

    async def test_an_invalid_field_is_pointed_at(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.post("/v1/conformance/things", json={"name": 7})
        assert problem(response) == (422, "validation_failed")
        assert [error["pointer"] for error in response.json()["errors"]] == ["#/name"]

    async def test_an_unknown_field_is_refused(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.post("/v1/conformance/things", json={"name": "a", "role": "admin"})
        assert problem(response) == (422, "validation_failed")
        assert [error["pointer"] for error in response.json()["errors"]] == ["#/role"]

    async def test_a_body_that_says_it_is_too_large_is_refused_unread(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.post("/v1/conformance/things", content=b" " * (BODY_MAX + 1))
        assert problem(response) == (413, "content_too_large")

    async def test_a_body_that_grows_too_large_is_refused(self, somewhere: httpx.AsyncClient) -> None:
        async def endless() -> AsyncIterator[bytes]:
            for _ in range(BODY_MAX // 65_536 + 2):
                yield b" " * 65_536

        response = await somewhere.post(
            "/v1/conformance/things", content=endless(), headers={"Content-Type": "application/json"}
        )
        assert problem(response) == (413, "content_too_large")

    @pytest.mark.parametrize("where", ["handler", "dependency"])
    async def test_an_exception_is_a_500_that_says_nothing(self, somewhere: httpx.AsyncClient, where: str) -> None:
        response = await somewhere.get(f"/v1/conformance/{where}-raises")
        assert problem(response) == (500, "internal_error")
        assert "canary" not in response.text

    async def test_a_request_that_takes_too_long_is_ended(self, somewhere: httpx.AsyncClient) -> None:
        assert problem(await somewhere.get("/v1/conformance/slow")) == (504, "timed_out")

    async def test_a_failed_commit_is_never_a_success(self, somewhere: httpx.AsyncClient) -> None:
        assert problem(await somewhere.post("/v1/conformance/commit-fails")) == (500, "internal_error")

    async def test_a_refusal_rolls_back(self, somewhere: httpx.AsyncClient, tables: Database) -> None:
        assert problem(await somewhere.post("/v1/conformance/refused")) == (409, "conflict")
        assert not await _exists(tables, "conformance_refused")

    async def test_a_refusal_that_keeps_changes_commits_first(
        self, somewhere: httpx.AsyncClient, tables: Database
    ) -> None:
        assert problem(await somewhere.post("/v1/conformance/kept")) == (409, "kept")
        assert await _exists(tables, "conformance_kept")

    async def test_no_token_and_no_valid_token_are_refused(self, somewhere: httpx.AsyncClient) -> None:
        for headers in ({}, {"Authorization": "Bearer not.a.token"}, {"Authorization": "Basic dXNlcjpwdw=="}):
            response = await somewhere.get("/v1/conformance/caller", headers=headers)
            assert problem(response) == (401, "unauthenticated")
            assert response.headers["www-authenticate"] == "Bearer"

    async def test_a_valid_token_names_the_caller_and_its_answer_is_not_stored(
        self, somewhere: httpx.AsyncClient, conforming: Conforming
    ) -> None:
        headers = {"Authorization": f"Bearer {conforming.mint()}"}
        response = await somewhere.get("/v1/conformance/caller", headers=headers)
        assert response.json()["name"].startswith("usr_")
        assert response.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/conformance/handler-raises"),
            ("GET", "/v1/conformance/slow"),
            ("GET", "/v1/nothing-here"),
            ("DELETE", "/v1/conformance/caller"),
            ("POST", "/v1/conformance/things"),
            ("GET", "/livez"),
        ],
    )
    async def test_every_answer_has_id_cors_and_security_headers(
        self, somewhere: httpx.AsyncClient, method: str, path: str
    ) -> None:
        response = await somewhere.request(
            method, path, headers={"Origin": WEB_ORIGIN, "X-Request-ID": "chosen-by.me_1"}
        )
        assert response.headers["x-request-id"] == "chosen-by.me_1"
        assert response.headers["access-control-allow-origin"] == WEB_ORIGIN
        assert response.headers["x-content-type-options"] == "nosniff"

    async def test_a_preflight_is_answered_with_an_id(self, somewhere: httpx.AsyncClient) -> None:
        headers = {"Origin": WEB_ORIGIN, "Access-Control-Request-Method": "POST"}
        response = await somewhere.options("/v1/conformance/things", headers=headers)
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == WEB_ORIGIN
        assert response.headers["x-request-id"]

    async def test_a_request_id_that_could_forge_a_log_line_is_replaced(self, somewhere: httpx.AsyncClient) -> None:
        response = await somewhere.get("/livez", headers={"X-Request-ID": "a b"})
        assert response.headers["x-request-id"] != "a b"

    async def test_the_probes_answer(self, somewhere: httpx.AsyncClient) -> None:
        for probe in ("/livez", "/readyz", "/startupz"):
            response = await somewhere.get(probe)
            assert (response.status_code, response.json()["status"]) == (200, "ok")

    async def test_a_problem_type_is_a_page_that_explains_it(self, somewhere: httpx.AsyncClient) -> None:
        kind = (await somewhere.get("/v1/nothing-here")).json()["type"]
        assert kind.startswith(f"{SERVICE_URL}/problems/")
        page = await somewhere.get(kind.removeprefix(SERVICE_URL))
        assert page.status_code == 200
        assert "not_found" in page.text

    async def test_the_documents_need_no_network(self, somewhere: httpx.AsyncClient) -> None:
        page = await somewhere.get("/docs")
        assert page.status_code == 200
        assert "://" not in page.text

    async def test_the_openapi_document_is_unchanged_for_who_has_it(self, somewhere: httpx.AsyncClient) -> None:
        first = await somewhere.get("/openapi.json")
        again = await somewhere.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
        assert (first.status_code, again.status_code) == (200, 304)

    async def test_every_operation_documents_the_problem(self, somewhere: httpx.AsyncClient) -> None:
        document = (await somewhere.get("/openapi.json")).json()
        responses = [
            operation["responses"]["default"] for item in document["paths"].values() for operation in item.values()
        ]
        assert responses
        assert all(response == {"$ref": "#/components/responses/Problem"} for response in responses)

    async def test_models_and_migrated_schema_are_equal(self, service: Service, database_url: str) -> None:
        assert await service.migrations.check(database_url) == []


async def _exists(database: Database, table: str) -> bool:
    async with database.transaction() as session:
        return bool(await session.scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": table}))
