"""What goes over a real connection: limits, truncation, keep-alive, and what the server itself refuses."""

import httpx
import pytest

from core.testing.raw import exchange, parsed, refused

POST = b"POST /v1/bodies HTTP/1.1\r\nHost: service.test\r\n"


def test_a_declared_body_that_is_too_large_is_refused_before_it_comes(server):
    with server.connect() as connection:
        answer = exchange(connection, POST + b"Content-Length: 200001\r\n\r\n")
    assert refused(answer) == (413, "content_too_large", "close")


def test_who_waits_for_100_is_refused_without_it(server):
    with server.connect() as connection:
        answer = exchange(connection, POST + b"Content-Length: 200001\r\nExpect: 100-continue\r\n\r\n")
    assert refused(answer) == (413, "content_too_large", "close")


def test_a_body_in_chunks_is_refused_where_it_grows_too_large(server):
    with server.connect() as connection:
        connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(4):
            connection.sendall(b"c350\r\n" + b"x" * 50_000 + b"\r\n")
        answer = exchange(connection, b"1\r\nx\r\n")
    assert refused(answer) == (413, "content_too_large", "close")


@pytest.mark.parametrize("framing", [b"Content-Length: 10", b"Transfer-Encoding: chunked"])
def test_a_body_that_does_not_arrive_is_not_waited_for(server_that_waits_for_no_body, framing):
    with server_that_waits_for_no_body.connect() as connection:
        answer = exchange(connection, POST + framing + b"\r\n\r\n")
    assert refused(answer) == (408, "body_timed_out", "close")


def test_a_body_that_drips_is_not_waited_for(server_that_waits_for_no_body):
    with server_that_waits_for_no_body.connect() as connection:
        connection.sendall(POST + b"Content-Length: 1000\r\n\r\n")
        connection.settimeout(0.05)
        answer = b""
        for _ in range(40):
            try:
                connection.sendall(b"x")
                answer += connection.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                break
            if not answer.endswith(b"}"):
                continue
            break
    assert refused(answer) == (408, "body_timed_out", "close")


def test_head_has_no_content_and_the_connection_goes_on(server):
    with server.connect() as connection:
        head = b"HEAD /livez HTTP/1.1\r\nHost: service.test\r\n\r\n"
        get = b"GET /livez HTTP/1.1\r\nHost: service.test\r\nConnection: close\r\n\r\n"
        answer = exchange(connection, head + get)
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200")
    assert b"content-length: 15" in first
    assert parsed(rest)[0] == 200


def test_a_response_that_breaks_off_ends_without_its_end(server):
    with server.connect() as connection:
        answer = exchange(connection, b"GET /v1/truncated HTTP/1.1\r\nHost: service.test\r\n\r\n")
    status, headers, body = parsed(answer)
    assert (status, headers["transfer-encoding"], body) == (200, "chunked", b"4\r\npart\r\n")
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{server.url}/v1/truncated")


def test_a_response_shorter_than_it_says_ends_the_connection(server):
    with server.connect() as connection:
        answer = exchange(connection, b"GET /v1/short HTTP/1.1\r\nHost: service.test\r\n\r\n")
    assert parsed(answer)[2] == b"part"


def test_what_one_request_leaves_behind_the_next_does_not_find(server):
    """Bodies above 64 KiB make uvicorn read on from within a request's own context, unless it is told otherwise."""
    with httpx.Client(base_url=server.url) as client:
        told = [client.post("/v1/bodies", content=b"x" * 150_000).json() for _ in range(4)]
    assert told == [{"size": 150_000, "found": None}] * 4


def test_what_one_request_leaves_behind_one_in_its_wake_does_not_find(server):
    request = POST + b"Content-Length: 1\r\n\r\nx"
    last = POST + b"Connection: close\r\nContent-Length: 1\r\n\r\nx"
    with server.connect() as connection:
        answer = exchange(connection, request * 3 + last)
    assert answer.count(b'{"size":1,"found":null}') == 4


def test_a_client_that_leaves_a_stream_is_one_line(server, eventually):
    with server.connect() as connection:
        connection.sendall(b"GET /v1/endless HTTP/1.1\r\nHost: service.test\r\n\r\n")
        connection.recv(1000)
    eventually(lambda: server.says("cleaned up"))
    eventually(lambda: any(line.get("route") == "/v1/endless" for line in server.lines))
    assert len([line for line in server.lines if line.get("route") == "/v1/endless"]) == 1
    assert not any("/v1/endless" in line.get("exception", "") for line in server.lines)


def test_an_upgrade_that_nobody_serves_is_an_ordinary_request(server):
    upgrade = b"GET /livez HTTP/1.1\r\nHost: service.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    with server.connect() as connection:
        connection.sendall(upgrade + b"Sec-WebSocket-Version: 13\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_the_server_names_neither_itself_nor_its_version(server):
    response = httpx.get(f"{server.url}/livez")
    assert "server" not in response.headers
    assert response.headers["date"]


def test_the_address_of_a_client_is_its_own_whatever_it_says(server, eventually):
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Request-ID": "forged-1"}
    httpx.get(f"{server.url}/livez", headers=headers)
    eventually(lambda: any(line.get("request_id") == "forged-1" for line in server.lines))
    assert [line["client"] for line in server.lines if line.get("request_id") == "forged-1"] == ["127.0.0.1"]
