"""What the edge itself refuses is a problem document, as everywhere else, and holds nothing that a client wrote."""

import json
import re

import httpx
import pytest
from clients import asked, head, problem_of, until

from core.testing.caddy import config
from core.web.problems import problem_kinds, status_of


def test_what_no_service_has_is_not_found(plain):
    url = plain.url
    for path in ("/", "/nothing", "/thing", "/THINGS/v1", "/problems", "/problems/nothing", "/problems/"):
        assert problem_of(httpx.get(url + path)) == (404, "not_found")
    assert httpx.head(f"{url}/nothing").status_code == 404
    assert problem_of(asked(url, head("CONNECT other.test:443"))) == (404, "not_found")


def test_where_no_replica_is_ready_the_service_is_unavailable(front):
    edge = front(EDGE_TRY_DURATION="100ms")
    edge.behind.is_ready = False
    until(lambda: httpx.get(f"{edge.things}/v1").status_code == 503)
    seen = len(edge.behind.seen)
    assert problem_of(httpx.post(f"{edge.things}/v1")) == (503, "unavailable")
    assert len(edge.behind.seen) == seen


def test_a_replica_that_cannot_be_reached_is_unavailable_though_nobody_has_noticed(front):
    edge = front(EDGE_TRY_DURATION="100ms", EDGE_HEALTH_INTERVAL="1h")
    edge.behind.refuse()
    assert problem_of(httpx.post(f"{edge.things}/v1")) == (503, "unavailable")


def test_who_breaks_off_before_an_answer_is_a_bad_gateway(front):
    edge = front()
    edge.behind.breaks_off = True
    assert problem_of(httpx.post(f"{edge.things}/v1", content=b"{}")) == (502, "bad_gateway")


def test_who_does_not_answer_in_time_is_timed_out(front):
    edge = front(EDGE_RESPONSE_TIMEOUT="500ms", EDGE_TRY_DURATION="100ms")
    assert problem_of(httpx.get(f"{edge.things}/never")) == (504, "timed_out")
    assert len(edge.behind.seen) == 1


def test_an_answer_that_breaks_off_is_no_whole_answer(front):
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{front().things}/half")


HOSTILE = [
    '"',
    '\\"',
    "{env.HOME}",
    "{$HOME}",
    "{http.request.uri}",
    "\\u0022",
    "%22,%22code%22:%22x",
    "é",
    "${1}",
    "'",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_client_writes_is_in_a_problem(plain, text):
    hostile = asked(
        plain.url,
        head(
            f"GET /nothing/{text}?{text}", f"X-Request-ID: {text}", f"User-Agent: {text}", f"X-Forwarded-Host: {text}"
        ),
    )
    assert problem_of(hostile) == (404, "not_found")
    harmless = httpx.get(f"{plain.url}/nothing")
    document = {**hostile.json(), "request_id": "", "instance": ""}
    assert document == {**harmless.json(), "request_id": "", "instance": ""}
    assert hostile.json()["type"].startswith(plain.url)


@pytest.mark.parametrize("host", ['api.test"', "a\\b", "é"])
def test_a_host_that_is_none_is_refused_before_the_edge_has_a_say(plain, host):
    response = asked(plain.url, f"GET /nothing HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert (response.status_code, response.headers["content-type"]) == (400, "text/plain; charset=utf-8")


def test_the_type_of_a_problem_is_a_page_that_explains_it(front):
    edge = front(EDGE_BODY_MAX_BYTES="10")
    refused = [httpx.get(f"{edge.url}/nothing"), httpx.post(f"{edge.things}/v1", content=b"x" * 11)]
    for document in (each.json() for each in refused):
        page = httpx.get(document["type"])
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert f"<h1>{document['status']} <code>{document['code']}</code></h1>" in page.text
        assert document["title"] in page.text


def test_a_code_means_at_the_edge_what_it_means_in_a_service():
    rows = re.findall(r'^\t\t(\w+) (\d{3}) "([^"]+)" "[^"]+"$', config().read_text(), re.MULTILINE)
    edges = {code: (int(status), title) for code, status, title in rows}
    services = {kind.code: (status_of(kind).value, kind.title()) for kind in problem_kinds()}
    assert {code: what for code, what in edges.items() if code in services} == {
        code: services[code] for code in edges.keys() & services.keys()
    }
    assert edges.keys() - services.keys() == {"bad_gateway"}


def test_what_is_logged_is_json_and_tells_no_secret(plain):
    canary = "canary-hunter2"
    headers = {
        "Authorization": f"Bearer {canary}",
        "Cookie": canary,
        "Idempotency-Key": canary,
        "X-Request-ID": "looked-for",
    }
    httpx.get(f"{plain.things}/v1?token={canary}", headers=headers)
    httpx.get(f"{plain.url}/nothing?token={canary}", headers=headers)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{plain.things}/half?token={canary}", headers=headers)

    def lines():
        return [json.loads(line) for line in plain.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def requests():
        return [line for line in lines() if line.get("request_id") == "looked-for"]

    until(lambda: len(requests()) == 2)
    told = sorted((line["request"]["uri"], line["status"]) for line in requests())
    assert told == [("/nothing", 404), ("/things/v1", 200)]
    # Which has no access line.
    until(lambda: any(line["msg"] == "aborting with incomplete response" for line in lines()))
    assert canary not in plain.log.read_text()
