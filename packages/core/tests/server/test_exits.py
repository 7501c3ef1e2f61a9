"""The exits over a real connection: what a server itself would refuse too late is a problem, and nothing is forged."""

import socket
from typing import Any

import httpx
import pytest

from core.testing import problem
from core.testing.exits import CUT_SHORT, EXITS

# A chassis without a database has all others.
HTTP_EXITS = {
    name: exit_
    for name, exit_ in EXITS.items()
    if name.startswith(("misuse", "the status", "a stream", "a handler", "an unknown path", "a wrong method"))
}
HEAD = b" HTTP/1.1\r\nHost: service.test\r\nConnection: close\r\n"


def asked(server, head: bytes, rest: bytes = b"\r\n") -> bytes:
    with server.connect() as connection:
        connection.sendall(head + HEAD + rest)
        received = b""
        while part := connection.recv(65_536):
            received += part
        return received


@pytest.mark.parametrize("exit_", HTTP_EXITS.values(), ids=HTTP_EXITS)
def test_an_exit_is_a_problem_on_the_wire(request, exit_):
    server = request.getfixturevalue("server_that_waits_for_no_answer" if exit_.is_late else "server")
    with httpx.Client(base_url=server.url, timeout=30) as client:
        response = client.request(exit_.method, exit_.path)
        assert problem(response) == (exit_.status, exit_.code)
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in response.headers
        # The connection is still good.
        assert client.get("/livez").status_code == 200


@pytest.mark.parametrize("exit_", CUT_SHORT.values(), ids=CUT_SHORT)
def test_a_response_that_breaks_off_is_cut_short_on_the_wire(server, exit_):
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{server.url}{exit_.path}")


@pytest.mark.parametrize(
    "path",
    [
        b"/%00",
        b"/%2F",
        b"/%2Fv1%2Fexits",
        b"/%FF",
        b"/v1/exits/%0d%0aset-cookie:a=b",
        b"//",
        b"/" + b"a" * 20_000,
        b"*",
    ],
    ids=lambda path: path[:20].decode(),
)
def test_a_path_that_nobody_has_is_not_found(server, path):
    answer = asked(server, b"GET " + path)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b'"code":"not_found"' in answer
    assert b"set-cookie" not in answer.partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("query", [b"%FF=%FF", b"status=%00", b"&" * 5_000, b"=", b"status=" + b"9" * 5_000], ids=len)
def test_a_query_that_says_nothing_is_invalid(server, query):
    answer = asked(server, b"GET /v1/exits/http-exception?" + query)
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b'"code":"validation_failed"' in answer


def test_a_hundred_headers_are_read(server):
    headers = b"".join(b"x-%d: a\r\n" % number for number in range(100))
    assert asked(server, b"GET /livez", headers + b"\r\n").startswith(b"HTTP/1.1 200 ")


def test_an_id_that_is_too_long_by_one_is_replaced(server):
    answer = asked(server, b"GET /livez", b"X-Request-ID: " + b"a" * 129 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"a" * 129 not in answer


@pytest.mark.parametrize("body", [b"", b'{"na'], ids=["before it", "within it"])
def test_a_client_that_leaves_before_its_body_is_whole_is_one_line(server, eventually, body):
    asked_for = f"left-{len(body)}"
    with server.connect() as connection:
        head = f"POST /v1/exits/things HTTP/1.1\r\nHost: service.test\r\nX-Request-ID: {asked_for}\r\n".encode()
        connection.sendall(head + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_RDWR)

    def said() -> list[dict[str, Any]]:
        return [line for line in server.lines if line.get("request_id") == asked_for]

    eventually(said)
    assert [(line["event"], line["status"]) for line in said()] == [("request", 400)]
