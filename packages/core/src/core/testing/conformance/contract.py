"""The OpenAPI document: the one that is committed, complete, and true of what is answered."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from core.cli.openapi import committed_file, difference, document_of, how_to_update
from core.dependencies.identity import scopes_of
from core.ids import format_id, new_id
from core.routing.router import operation_id
from core.services import Service
from core.testing.applications import SERVICE_URL
from core.testing.commits import late_commits
from core.testing.locally import Mint

# A schema that is larger, and that a document has twice, belongs among its components.
INLINE_BYTES_MAX = 256
REQUEST_ID = {"$ref": "#/components/headers/X-Request-ID"}


class Contract:
    @pytest.fixture
    def document(self, service: Service) -> dict[str, Any]:
        """The OpenAPI document."""
        return json.loads(document_of(service))

    def test_the_committed_document_is_what_the_code_says(self, service: Service) -> None:
        file = committed_file(service)
        assert file is not None, f"{service.name} has no openapi.json in its package, and no project above it"
        found = difference(file, document_of(service))
        assert not found, f"{file}\n{found}\n{how_to_update(service)}"

    async def test_the_served_document_is_the_same_everywhere(
        self, anywhere: httpx.AsyncClient, document: dict[str, Any]
    ) -> None:
        assert (await anywhere.get("/openapi.json")).json() == document

    def test_every_operation_says_who_may_call_it_and_how_it_refuses(self, document: dict[str, Any]) -> None:
        schemes = document["components"].get("securitySchemes", {})
        for operation in _operations(document):
            # An empty list is an answer, too: anybody.
            assert all(each.keys() <= schemes.keys() for each in operation["security"]), operation["operationId"]
            assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}

    async def test_every_operation_has_an_id_of_its_tag_and_handler(
        self, app: FastAPI, document: dict[str, Any]
    ) -> None:
        ids = [operation["operationId"] for operation in _operations(document)]
        routes = [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
        assert sorted(ids) == sorted(map(operation_id, routes))
        assert len(set(ids)) == len(ids) > 0

    def test_every_answer_documents_its_request_id(self, document: dict[str, Any]) -> None:
        shared = document["components"]["responses"]
        for operation in _operations(document):
            for status, response in operation["responses"].items():
                said = shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
                assert said["headers"]["X-Request-ID"] == REQUEST_ID, (operation["operationId"], status)

    def test_nothing_large_is_said_twice(self, document: dict[str, Any]) -> None:
        said = Counter(json.dumps(each) for each in _schemas(document))
        assert {each for each, times in said.items() if times > 1 and len(each) > INLINE_BYTES_MAX} == set()

    async def test_answers_are_what_the_document_says(
        self, app: FastAPI, token: Mint, document: dict[str, Any], pytestconfig: pytest.Config
    ) -> None:
        from core.testing.fuzzing import fuzz, fuzzing_of  # noqa: PLC0415 - its import costs a second

        caller, scopes = format_id("usr", new_id()), scopes_of(app.routes)
        fuzzing = fuzzing_of(pytestconfig)
        sent = partial(fuzz, base_url=SERVICE_URL, token=lambda: token(*scopes, subject=caller), fuzzing=fuzzing)
        with late_commits() as late:
            found = await asyncio.to_thread(sent, app, document)
        assert found.requests
        operations = sorted({f"{each.method} {each.route}" for each in late})
        assert not operations, 'they commit after their answer: what opens their transaction needs scope="function"'
        assert not found.failures, "\n\n".join([f"with --fuzz-seed={fuzzing.seed}:", *found.failures])


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for item in document["paths"].values() for operation in item.values()]


def _schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema that the document has."""
    if isinstance(node, dict) and (isinstance(node.get("type"), str) or "anyOf" in node):
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _schemas(each)
