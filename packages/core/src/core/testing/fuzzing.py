"""Sends a service what its OpenAPI document allows, and what it does not, and holds every answer against it."""

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest
import schemathesis
from schemathesis.auths import AuthProvider
from schemathesis.config import (
    AnalysisConfig,
    ConstantsConfig,
    GenerationConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.engine import events, from_schema
from schemathesis.python import asgi

# What a request is refused with for its shape, which the document describes. Any other refusal is the business' own:
# a password too easy to guess, a cursor that no list gave out.
_OF_SHAPE = {"malformed_json", "unsupported_media_type", "validation_failed"}
# `1.0` is an integer to JSON Schema, and none to a strict field: what stands for money or a count has no point.
_FLOAT = "int_type"
# They compare with the one path of the document that a request was made for.
_OF_METHODS = {"allow_header_conformance", "unsupported_method"}


# Cases an operation that are drawn at random, besides those that the document's bounds and examples give.
EXAMPLES_MAX = 10


@dataclass(frozen=True, slots=True)
class Fuzzing:
    """How much is sent; the same every time for the same seed."""

    examples_max: int = EXAMPLES_MAX
    seed: int = 1


def fuzzing_of(config: pytest.Config) -> Fuzzing:
    """What the options of this run ask for; with `--fuzz-examples` alone the seed is another one each time."""
    examples, seed = config.getoption("fuzz_examples"), config.getoption("fuzz_seed")
    if examples is None and seed is None:
        return Fuzzing()
    return Fuzzing(examples or EXAMPLES_MAX, secrets.randbits(32) if seed is None else seed)


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """How many requests were sent, and what was wrong with the answers: one text each."""

    requests: int
    failures: tuple[str, ...]


def fuzz(
    app: Any, document: Mapping[str, Any], *, base_url: str, token: Callable[[], str], fuzzing: Fuzzing = Fuzzing()
) -> Fuzzed:
    """Starts the ASGI application on a loop in another thread, sends it everything and stops it; blocks until then.

    Without one, who listens at `base_url` is sent everything. `token` gives each request an access token: one that is
    always the same would end with the first sign-out.
    """
    schema = schemathesis.openapi.from_dict(dict(document), config=_config(base_url, fuzzing))
    schema.app = app
    schema.auth(refresh_interval=None)(_signing_in(token))
    try:
        # An application that does not start says so here, and not once a request.
        with nullcontext() if app is None else asgi.get_client(app):
            return _fuzzed(from_schema(schema).execute(), [_pattern(f"{base_url}{path}") for path in document["paths"]])
    finally:
        asgi.shutdown_lifespans()


def _config(base_url: str, fuzzing: Fuzzing) -> SchemathesisConfig:
    generation = GenerationConfig(deterministic=True, max_examples=fuzzing.examples_max)
    # What is sent follows from the document, and not from words in the source.
    analysis = AnalysisConfig(constants=ConstantsConfig(enabled=False))
    project = ProjectConfig(base_url=base_url, generation=generation, analysis=analysis)
    return SchemathesisConfig(seed=fuzzing.seed, projects=ProjectsConfig(default=project))


def _signing_in(token: Callable[[], str]) -> type[AuthProvider]:
    class SigningIn:
        def get(self, _case: schemathesis.Case, _context: schemathesis.AuthContext) -> str:
            return token()

        def set(self, case: schemathesis.Case, data: str, _context: schemathesis.AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {data}"

    return SigningIn


def _fuzzed(run: Iterable[events.EngineEvent], paths: Sequence[re.Pattern[str]]) -> Fuzzed:
    requests, failures = 0, []
    for event in run:
        if isinstance(event, events.ScenarioFinished):
            requests += len(event.recorder.interactions)
            failures += _failures(event.recorder, paths)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(repr(event))
    return Fuzzed(requests, tuple(dict.fromkeys(failures)))


def _failures(recorder: Any, paths: Sequence[re.Pattern[str]]) -> Iterator[str]:
    for case, checks in recorder.checks.items():
        request, response = recorder.interactions[case].request, recorder.interactions[case].response
        for check in checks:
            if check.failure_info is None or _is_meant(check.name, request.uri, response, paths):
                continue
            found = check.failure_info
            answer = f"{response.status_code} {response.text}"
            yield f"{recorder.label}: {check.name}: {found.failure.message}\n{found.code_sample}\n{answer}"


def _is_meant(check: str, url: str, response: Any, paths: Sequence[re.Pattern[str]]) -> bool:
    if check in _OF_METHODS:
        # /sessions/refresh is what /sessions/{session_id} stands for, too, and has the methods of both.
        return sum(bool(path.fullmatch(url.partition("?")[0])) for path in paths) > 1
    if check == "positive_data_acceptance":
        problem = response.json()
        codes = {error["code"] for error in problem.get("errors", ())}
        # RFC 6749 has a shape of its own for what a token endpoint refuses, and knows no code.
        return problem.get("code") not in _OF_SHAPE or _FLOAT in codes
    # What a request without If-Match is answered (RFC 6585, section 3), which the check does not know; who would be
    # refused in any case is refused so (RFC 9110, section 13.2.1).
    of_conditions = (HTTPStatus.PRECONDITION_REQUIRED, HTTPStatus.NOT_FOUND)
    return check == "missing_required_header" and response.status_code in of_conditions


def _pattern(url: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(url)))
