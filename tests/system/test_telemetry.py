"""What the product tells of itself, seen from outside: traces at a collector, in both topologies."""

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from itertools import zip_longest
from pathlib import Path
from secrets import token_hex

import httpx
import pytest
from collector import Collector, Span
from people import Person, member
from processes import run, until
from topologies import Product

from core.telemetry.exchange import Identity

LEAVING = """
users server DELETE {users}/v1/users/me
  users producer publish session.revoked
    billing consumer process session.revoked
  users producer publish user.erasure_requested
    billing consumer process user.erasure_requested
      billing producer publish customer.closed
        users consumer process customer.closed
          users producer publish user.erased
            billing consumer process user.erased
              billing producer publish customer.closed
                users consumer process customer.closed
"""
FETCHING = """
billing server GET {billing}/v1/subscriptions
  billing client GET
    users server GET {users}/.well-known/jwks.json
"""
# OpenTelemetry has no names for jobs.
OURS = {"job.name", "job.outcome"}
# A header is named by whoever sent it.
NAMED_BY_OTHERS = "http.response.header."


@pytest.fixture(scope="module")
def leaver(product: Product) -> Person:
    """Somebody whose bearer token is new to billing."""
    person = member(product)
    assert person.billing.get("/v1/subscriptions").status_code == 200
    return person


@pytest.fixture(scope="module")
def leaving(leaver: Person, product: Product, collector: Collector) -> list[Span]:
    """The spans of one request: somebody leaves, billing is told and answers, users erases."""
    trace = token_hex(16)
    headers = {"traceparent": f"00-{trace}-{token_hex(8)}-01"}
    body = {"current_password": leaver.password}
    assert leaver.users.delete("/v1/users/me", json=body, headers=headers).status_code == 202
    until(lambda: paths(of(collector, trace)) == outline(LEAVING, product), "the trace is not what it should be")
    return of(collector, trace)


def of(collector: Collector, trace: str) -> list[Span]:
    return [span for span in collector.spans if span.trace == trace]


def paths(spans: list[Span]) -> set[tuple[str, ...]]:
    """Every span but those of SQL, as the spans from the root down to it."""
    by_id = {span.id: span for span in spans}

    def path(span: Span) -> tuple[str, ...]:
        above = path(by_id[span.parent]) if span.parent in by_id else ()
        return (*above, f"{span.service} {span.kind} {span.name}")

    return {path(span) for span in spans if not is_sql(span)}


def outline(text: str, product: Product) -> set[tuple[str, ...]]:
    """The same of an indented text, in which each service stands below its mount."""
    mounts = {name: f"/{name}" if product.topology == "gateway" else "" for name in ("users", "billing")}
    found: list[tuple[str, ...]] = []
    for line in text.strip().format(**mounts).splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        above = next((path for path in reversed(found) if len(path) == depth), ())
        found.append((*above, line.strip()))
    return set(found)


def is_sql(span: Span) -> bool:
    return "db.system.name" in span.attributes


def test_one_request_is_one_trace_through_both_services_and_the_bus(leaving: list[Span]) -> None:
    """Its shape is what `leaving` has waited for, in each topology; its statements are where they belong."""
    by_id = {span.id: span for span in leaving}
    (root,) = (span for span in leaving if span.parent not in by_id)
    assert root.kind == "server"
    for span in leaving:
        if is_sql(span):
            assert span.kind == "client"
            assert by_id[span.parent].service == span.service
    having = {span.parent for span in leaving if is_sql(span)}
    assert {span.id for span in leaving if span.kind in {"server", "producer", "consumer"}} <= having


def test_the_keys_that_verify_a_token_are_fetched_in_the_trace_of_its_request(
    leaver: Person, product: Product, collector: Collector
) -> None:
    """Whichever test was the first to bring billing a token."""

    def fetched() -> bool:
        fetches = [span for span in collector.spans if span.attributes.get("url.full", "").startswith(product.users)]
        found = [paths(of(collector, span.trace)) for span in fetches]
        tail = [line.strip() for line in FETCHING.strip().splitlines()][1:]
        mount = "/users" if product.topology == "gateway" else ""
        wanted = tuple(line.format(users=mount) for line in tail)
        return any(path[1:] == wanted and path[0].startswith("billing server ") for each in found for path in each)

    until(fetched, "no request has fetched the keys")


def test_each_span_says_whose_it_is(leaving: list[Span]) -> None:
    for span in leaving:
        told = Identity.of(span.service, "local").fields
        assert {name: span.of[name] for name in told} == told
        assert span.of["service.instance.id"]
    assert {span.service for span in leaving} == {"users", "billing"}


def test_a_request_is_told_with_its_template_and_without_its_query(product: Product, collector: Collector) -> None:
    trace = token_hex(16)
    headers = {"traceparent": f"00-{trace}-{token_hex(8)}-01", "User-Agent": "canary-0451"}
    refused = httpx.get(f"{product.billing}/v1/invoices/inv_1", params={"q": "canary-0451"}, headers=headers)
    assert refused.status_code == 401
    until(lambda: bool(of(collector, trace)), "it is not told")
    (span,) = of(collector, trace)
    mount = "/billing" if product.topology == "gateway" else ""
    assert span.name == f"GET {mount}/v1/invoices/{{invoice_id}}"
    told = {
        "http.request.method": "GET",
        "http.route": f"{mount}/v1/invoices/{{invoice_id}}",
        "url.path": f"{mount}/v1/invoices/inv_1",
        "url.scheme": "http",
        "url.query": "***",
        "http.response.status_code": 401,
        "client.address": "127.0.0.1",
        "http.response.header.x-request-id": refused.headers["x-request-id"],
    }
    assert {name: span.attributes[name] for name in told} == told
    assert "canary" not in str(span)
    # To a server, a refusal is none.
    assert (span.failed, "error.type" in span.attributes) == (False, False)


def test_nothing_that_is_somebodys_is_in_any_span(leaver: Person, leaving: list[Span], collector: Collector) -> None:
    bearer = leaver.headers["Authorization"].removeprefix("Bearer ")
    theirs = [leaver.email, leaver.id, leaver.password, bearer]
    assert leaving
    everything = "\n".join(f"{span.name} {span.attributes}" for span in collector.spans)
    assert [each for each in theirs if each in everything] == []


def test_a_run_of_a_job_is_a_trace(product: Product, collector: Collector) -> None:
    if product.topology == "gateway":
        pytest.skip("it has no commands of its own")
    run("users", "jobs", "run", "forget_events", environment={**product.operator, **collector.environment})
    (root,) = (span for span in collector.spans if span.name == "run forget_events")
    assert (root.parent, root.kind, root.attributes["job.outcome"]) == ("", "internal", "succeeded")
    assert {span.kind for span in of(collector, root.trace) if is_sql(span) and span.parent == root.id} == {"client"}


@pytest.mark.usefixtures("leaving")
def test_every_name_is_one_of_opentelemetrys_and_none_is_deprecated(collector: Collector) -> None:
    used = {name for span in collector.spans for name in (*span.attributes, *span.of)}
    known = {name for name in used if not name.startswith(NAMED_BY_OTHERS)} - OURS
    # Of messaging no name is stable yet.
    unstable = {name for name in known if name.startswith("messaging.")} | {"service.instance.id"}
    assert known - unstable <= names("attributes")
    assert unstable <= names("_incubating/attributes") | names("attributes")


@cache
def names(folder: str) -> frozenset[str]:
    """What the semantic conventions call things, but for what they no longer call so."""
    spec = importlib.util.find_spec("opentelemetry.semconv")
    assert spec is not None
    [root] = list(spec.submodule_search_locations or [])
    return frozenset(name for file in Path(root, folder).glob("*.py") for name in _declared(file))


def _declared(file: Path) -> Iterator[str]:
    body = ast.parse(file.read_text()).body
    for each, text in zip_longest(body, body[1:]):
        if isinstance(each, ast.AnnAssign) and isinstance(each.value, ast.Constant):
            said = ast.unparse(text) if isinstance(text, ast.Expr) else ""
            if not said.strip("\"' \n\\n").startswith("Deprecated"):
                yield str(each.value.value)
