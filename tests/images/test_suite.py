"""The conformance suite, asked from outside: the shipped images behind the edge, as clients have them.

What is not here needs operations that fail, or what happens inside the process: no image that ships has those.
"""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from engine import SERVICES
from stack import Stack

from core.application import ChassisApp
from core.cli.openapi import committed_file
from core.dependencies.identity import scopes_of
from core.ports import Ports
from core.services import Service
from core.testing.at_work import AtWork
from core.testing.conformance.access import Access, operations_of
from core.testing.conformance.documents import Documents
from core.testing.conformance.grounds import Conforming
from core.testing.conformance.hostile import Hostile
from core.testing.conformance.places import EDGE, Place
from core.testing.forgeries import INVALID_CHALLENGE, PLAIN_CHALLENGE, without_a_token
from core.testing.fuzzing import Fuzzing, fuzz, fuzzing_of
from core.testing.locally import local_settings
from core.testing.problems import problem
from core.testing.socket_wire import OverSockets
from core.tokens.local import LocalKey

Client = tuple[str, str]
# Of an application that is never started.
NOWHERE = "postgresql://nobody@nowhere.invalid/nothing"
INSIDE: Any = None
# What is drawn is about the service, whose own tests draw more; here it comes through the edge, and to the image.
EXAMPLES_MAX = 2


@pytest.fixture(scope="session")
def services() -> Mapping[str, Service]:
    """The services, as they are here: what operations the deployed ones should have."""
    return {name: Service(name, f"{name}.app") for name in SERVICES}


@pytest.fixture(scope="session")
def scopes(services: Mapping[str, Service], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, frozenset[str]]:
    """Every scope that the operations of each service ask for."""
    folder = tmp_path_factory.mktemp("scopes")
    return {name: frozenset(scopes_of(application(each, folder).routes)) for name, each in services.items()}


@pytest.fixture(scope="session")
def machine(stack: Stack, scopes: Mapping[str, frozenset[str]]) -> Client:
    """A machine client that may do everything: its id and its secret."""
    every = sorted(frozenset().union(*scopes.values()))
    asked = [f"--scope={scope}" for scope in every]
    said = stack.compose("exec", "-T", "users", "users", "create-client", "suite", *asked).stdout
    told = dict(line.split(": ") for line in said.splitlines())
    return told["client_id"], told["client_secret"]


@pytest.fixture
def mint(stack: Stack, machine: Client, scopes: Mapping[str, frozenset[str]], service: str) -> Callable[..., str]:
    """`mint("catalog:write")`: a token that users gives a machine; without a scope, with one of the other service."""
    of_others = frozenset().union(*scopes.values()) - scopes[service]

    @cache
    def mint_at(_minute: int, *asked: str) -> str:
        form = {"grant_type": "client_credentials", "scope": " ".join(sorted(asked)) or min(of_others)}
        answer = httpx.post(f"{stack.url}/users/v1/oauth/token", data=form, auth=machine)
        return answer.raise_for_status().json()["access_token"]

    # It is valid for five.
    return lambda *asked: mint_at(int(time.monotonic() // 60), *asked)


class TestSuite(Access, Documents, Hostile):
    @pytest.fixture
    def conforming(
        self, stack: Stack, services: Mapping[str, Service], service: str, mint: Callable[..., str], tmp_path: Path
    ) -> Conforming:
        """The service with its address, and tokens that it accepts."""
        settings = local_settings(services[service], database_url=NOWHERE, folder=tmp_path)
        settings = settings.model_copy(update={"public_url": f"{stack.url}/{service}"})
        return Conforming(settings, mint, LocalKey.open(tmp_path, environment="local"))

    @pytest.fixture
    async def place(
        self, services: Mapping[str, Service], service: str, conforming: Conforming
    ) -> AsyncIterator[Place]:
        """The service as it is deployed; `app` is never started, and only says what operations there are."""
        app = await asyncio.to_thread(services[service].create_app, conforming.settings, Ports())
        async with httpx.AsyncClient(
            transport=OverSockets(AtWork(app)), base_url=str(conforming.settings.public_url)
        ) as client:
            yield Place(topology=EDGE, app=app, resources=INSIDE, client=client, inside=INSIDE, wire=INSIDE)

    @pytest.fixture
    def somewhere(self, place: Place) -> httpx.AsyncClient:
        """A client of the service."""
        return place.client

    async def test_whoever_has_no_valid_token_is_refused_whatever_else_is_wrong(
        self, place: Place, conforming: Conforming
    ) -> None:
        header, payload, signature = conforming.mint().split(".")
        unsigned = urlsafe_b64encode(b'{"typ":"at+jwt","alg":"none"}').decode().rstrip("=")
        broken = {
            "its signature cut off": f"{header}.{payload}.",
            "its signature reversed": f"{header}.{payload}.{signature[::-1]}",
            "its payload cut": f"{header}.{payload[:-4]}.{signature}",
            "unsigned": f"{unsigned}.{payload}.",
        }
        shown = {name: [("Authorization", f"Bearer {token}")] for name, token in broken.items()}
        let_in = [
            f"{operation.method} {operation.path}, {name}: {told}"
            for operation in operations_of(place)
            for challenge, each in ((PLAIN_CHALLENGE, without_a_token()), (INVALID_CHALLENGE, shown))
            for name, headers in each.items()
            if (told := await operation.refusal(place, headers)) != (401, "unauthenticated", challenge)
        ]
        assert let_in == []

    async def test_the_documents_need_no_network(self, somewhere: httpx.AsyncClient) -> None:
        # Pages to read are for a laptop; the document is for programs.
        assert problem(await somewhere.get("/docs")) == (404, "not_found")

    def test_the_document_is_the_one_that_is_committed(
        self, stack: Stack, services: Mapping[str, Service], service: str
    ) -> None:
        file = committed_file(services[service])
        assert file
        assert httpx.get(f"{stack.url}/{service}/openapi.json").json() == json.loads(file.read_text(encoding="utf-8"))

    def test_answers_are_what_the_document_says(
        self,
        stack: Stack,
        service: str,
        mint: Callable[..., str],
        scopes: Mapping[str, frozenset[str]],
        pytestconfig: pytest.Config,
    ) -> None:
        url = f"{stack.url}/{service}"
        document, fuzzing = httpx.get(f"{url}/openapi.json").json(), fuzzing_of(pytestconfig)
        if fuzzing == Fuzzing():
            fuzzing = Fuzzing(examples_max=EXAMPLES_MAX)
        found = fuzz(None, document, base_url=url, token=lambda: mint(*scopes[service]), fuzzing=fuzzing)
        assert found.requests
        assert not found.failures, "\n\n".join([f"with --fuzz-seed={fuzzing.seed}:", *found.failures])


def application(service: Service, folder: Path) -> ChassisApp:
    """The application, built and never started."""
    return service.create_app(local_settings(service, database_url=NOWHERE, folder=folder), Ports())
