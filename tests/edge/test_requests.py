"""What of a request reaches a service, and what the edge puts in its place: its id, its trace, its client."""

import re

import httpx
import pytest
from clients import asked, head

REPLACED = re.compile(r"[0-9a-f-]{36}")
ACCEPTED = ["a", "A.b_c-9", "x" * 128]
REFUSED = ["", "x" * 129, "a b", "a,b", 'a"b', "ä", "{http.request.uuid}", "a/b", "a\tb"]


def reached(response: httpx.Response) -> dict[str, list[str]]:
    """The headers that the service has seen."""
    return response.json()["headers"]


@pytest.mark.parametrize("request_id", ACCEPTED)
def test_a_request_id_that_is_one_is_kept(plain, request_id):
    for url in (f"{plain.things}/v1", f"{plain.url}/nothing", plain.things, f"{plain.url}/problems/not_found"):
        assert httpx.get(url, headers={"X-Request-ID": request_id}).headers.get_list("x-request-id") == [request_id]
    assert plain.behind.seen[0].headers["x-request-id"] == [request_id]


@pytest.mark.parametrize("request_id", REFUSED)
def test_any_other_is_replaced_for_the_client_and_the_service_alike(plain, request_id):
    for path in ("/things/v1", "/nothing"):
        response = asked(plain.url, head(f"GET {path}", f"X-Request-ID: {request_id}"))
        (given,) = response.headers.get_list("x-request-id")
        assert REPLACED.fullmatch(given)
    (seen,) = plain.behind.seen
    (of_service,) = seen.headers["x-request-id"]
    assert REPLACED.fullmatch(of_service)


def test_of_two_request_ids_neither_is_believed(plain):
    response = asked(plain.url, head("GET /things/v1", "X-Request-ID: one", 'X-Request-ID: "two"'))
    assert REPLACED.fullmatch(response.headers["x-request-id"])
    assert reached(response)["x-request-id"] == [response.headers["x-request-id"]]


def test_nobody_outside_takes_off_what_the_edge_says(plain):
    own = ("X-Request-ID", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto")
    response = asked(plain.url, head("GET /things/v1", "X-Request-ID: mine", f"Connection: {', '.join(own)}"))
    seen = reached(response)
    assert {name.lower() for name in own} <= seen.keys()
    assert seen["x-request-id"] == [response.headers["x-request-id"]] == ["mine"]


def test_nobody_outside_says_whose_trace_it_is_or_who_calls(plain):
    lies = {
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        "tracestate": "a=b",
        "baggage": "a=b",
        "Forwarded": "for=203.0.113.9",
        "X-Real-IP": "203.0.113.9",
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Host": "lie.test",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/lie",
        "X-Forwarded-Port": "1",
    }
    seen = reached(httpx.get(f"{plain.things}/v1", headers=lies))
    told = {name: value for name, value in seen.items() if name in {each.lower() for each in lies}}
    assert told == {
        "x-forwarded-for": ["127.0.0.1"],
        "x-forwarded-host": [plain.url.removeprefix("http://")],
        "x-forwarded-proto": ["http"],
    }


def test_an_underscore_makes_no_header_that_is_read_as_another(plain):
    seen = reached(asked(plain.url, head("GET /things/v1", "X_Forwarded_For: 203.0.113.9", "X_Request_ID: mine")))
    assert not [name for name in seen if "_" in name]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/a%2Fb",
        "/v1/a%20b",
        "/v1/%C3%A9",
        "/v1//a",
        "/v1/a/../b",
        "/v1/%2e%2e/b",
        "/v1/a%3Fb",
        "/v1?a=%2F&b=c+d",
        "/",
    ],
)
def test_a_path_reaches_the_service_as_it_was_sent(plain, path):
    asked(plain.url, head(f"GET /things{path}"))
    assert [each.path for each in plain.behind.seen] == [path]


def test_the_name_alone_is_led_to_the_root_of_the_service(plain):
    response = httpx.get(plain.things)
    assert (response.status_code, response.headers["location"]) == (308, "/things/")


def test_nothing_is_said_of_what_stands_in_front(plain):
    for path in ("/things/v1", "/things", "/nothing"):
        assert not {"via", "server"} & set(httpx.get(plain.url + path, headers={"Accept-Encoding": "gzip"}).headers)


def test_nothing_is_asked_for_that_the_client_has_not_asked_for(plain):
    assert "accept-encoding" not in reached(asked(plain.url, head("GET /things/v1")))


@pytest.mark.parametrize("lie", ["203.0.113.9", "203.0.113.9, 127.0.0.1", "127.0.0.1", "::1", "nonsense"])
def test_a_service_that_trusts_the_edge_sees_who_really_calls(real, lie):
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        said = httpx.get(f"{real.url}/things/v1/whoami", headers={name: lie})
        assert said.json()["client"] == "127.0.0.1"
    # It would believe it: what keeps a client from counting as another is the edge.
    told = httpx.get(f"http://{real.address}/v1/whoami", headers={"X-Forwarded-For": "203.0.113.9"})
    assert told.json()["client"] == "203.0.113.9"


WAYS = ["/metrics", "/readyz", "/startupz"]
TRICKS = [
    "/things{}", "/things{}?a", "/things{}/", "/things/{}", "/things/.{}", "/things/v1/..{}", "/things/v1/%2e%2e{}",
    "/things/%2F{}", "/things%2F{}", "/things/%252F{}", "//things{}", "/./things{}", "/v1/../things{}", "/things{}%00",
    "/things{};a", "/things{}%3Fa", "/things{}%23a", "/things/\\{}", "/things{}%20", "/things{}.json", "/THINGS{}",
    "http://api.test/things{}", "/things/things{}", "{}", "/%74hings{}", "/things/v1/..%2F{}", "/things{}#",
    "/things{}%0A", "/things{}%0D%0A", "/things{}%0A%0A",
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_what_is_for_the_orchestrator_is_not_for_the_world(real, way):
    assert httpx.get(f"http://{real.address}{way}").status_code == 200
    name = way.removeprefix("/")
    encoded = f"/%{ord(name[0]):02x}{name[1:]}"
    tries = [trick.format(each) for trick in TRICKS for each in (way, encoded, way.upper())]
    for method in ("GET", "HEAD", "POST", "OPTIONS"):
        for path in tries:
            response = asked(real.url, head(f"{method} {path}"))
            assert response.status_code in (400, 404, 405), path


def test_livez_may_be_asked_by_anybody(real):
    assert httpx.get(f"{real.url}/things/livez").status_code == 200
