"""Requests that nobody honest sends: whatever reaches the service is answered, and is no failure of it."""

import re

import httpx
import pytest

from core.testing.conformance.differences import NO_HTTP
from core.testing.conformance.grounds import Conforming
from core.testing.conformance.places import Place
from core.testing.problems import problem

# In place of a path parameter, as it is sent.
SEGMENTS = ["%00", "%2F", "..%2F..", "%FF", "%C0%80", "%F0%9F%92%A9", "-1", "null", "%0D%0Aset-cookie:a=b", "a" * 5_000]
QUERIES = [
    *("%FF=%FF", "%00=%00", "=", "&&&", "limit=%00", "limit=99999999999999999999", "cursor=%00", "cursor=%FF"),
    *("cursor=" + "a" * 5_000, "&".join(["limit=1"] * 1_000), "&".join(f"a{n}=1" for n in range(1_000))),
]
HEADERS: dict[str, list[tuple[bytes, bytes]]] = {
    "many": [(b"x-%d" % number, b"a") for number in range(500)],
    "a long one": [(b"x-long", b"a" * 60_000)],
    "an id too long by one": [(b"x-request-id", b"a" * 129)],
    "an id of two lines": [(b"x-request-id", b"a\nb")],
    "an id that is no ASCII": [(b"x-request-id", b"\xff")],
    "a token that is no ASCII": [(b"authorization", b"Bearer \xff\xfe")],
    "a scheme alone": [(b"authorization", b"Bearer")],
    "two tokens": [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
    "a tag that is no ASCII": [(b"if-none-match", b'"\xff'), (b"if-match", b'W/"\xff"')],
    "an origin that is none": [(b"origin", b"\xff\x00")],
    "a key that is no text": [(b"idempotency-key", b"\xff\x00")],
    "a media type that is none": [(b"content-type", b"application/json; charset=\xff")],
    "a traceparent that is none": [(b"traceparent", b"00-" + b"z" * 5_000), (b"tracestate", b"\xff=,=" * 100)],
    "a forwarded client that is none": [(b"x-forwarded-for", b"\xff, , 999.1.1.1, ::::")],
    "no length": [(b"content-length", b"")],
    "a negative length": [(b"content-length", b"-1")],
    "a length without end": [(b"content-length", b"9" * 5_000)],
    "a length of another alphabet": [(b"content-length", "²".encode())],
    "two lengths": [(b"content-length", b"2"), (b"content-length", b"3")],
    "an expectation": [(b"expect", b"200-ok")],
    "an upgrade": [(b"connection", b"upgrade"), (b"upgrade", b"h2c")],
}
# By a service or by the edge, which writes it as a UUID.
_MADE_ID = re.compile("[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Hostile:
    @pytest.mark.parametrize("segment", SEGMENTS, ids=lambda segment: segment[:20])
    async def test_no_path_breaks_an_operation(self, place: Place, conforming: Conforming, segment: str) -> None:
        headers = {"Authorization": f"Bearer {conforming.mint()}", "Idempotency-Key": "hostile"}
        for method, path in place.operations(segment):
            _check(await place.client.request(method, path, headers=headers))

    @pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:20])
    async def test_no_query_breaks_an_operation(self, place: Place, conforming: Conforming, query: str) -> None:
        headers = {"Authorization": f"Bearer {conforming.mint()}"}
        for method, path in place.operations("nothing"):
            if method == "GET":
                _check(await place.client.get(f"{path}?{query}", headers=headers))

    @pytest.mark.parametrize("sent", HEADERS)
    async def test_no_header_breaks_an_operation(self, place: Place, sent: str) -> None:
        for method, path in [*place.operations("nothing"), ("POST", "/v1/exits/things"), ("GET", "/v1/exits/caller")]:
            response = await place.client.request(method, path, headers=HEADERS[sent])
            if place.is_edge and sent in NO_HTTP:
                assert response.status_code == NO_HTTP[sent]
                assert "x-request-id" not in response.headers, "it came further than to Caddy's reader of heads"
                continue
            _check(response)
            assert _MADE_ID.fullmatch(response.headers["x-request-id"])


def _check(response: httpx.Response) -> None:
    """An answer that is no failure, and where it is a refusal, a problem."""
    assert response.status_code < 500, f"{response.request.url} {response.text}"
    if response.status_code >= 400 and response.request.method != "HEAD":
        problem(response)
    assert "set-cookie" not in response.headers
