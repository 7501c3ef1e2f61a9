"""Which requests are read, over a raw connection: two servers must not see two different requests in the same bytes."""

import re

import httpx
import pytest

from core.testing.raw import exchange, parsed, refused

START = b"POST /v1/bodies HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"
GET = b"GET /livez HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n"

REFUSED = {
    "two ways to say the length": START + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "the same two the other way round": START + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": START + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "one length twice": START + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": START + b"Content-Length: 3, 3\r\n\r\nabc",
    "a length with a sign": START + b"Content-Length: +3\r\n\r\nabc",
    "a length in words": START + b"Content-Length: ten\r\n\r\n",
    "a length before a blank": START + b"Content-Length: 3 \r\n\r\nabc",
    "an empty length": START + b"Content-Length:\r\n\r\n",
    "a length beyond all numbers": START + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "a coding that is not chunked": START + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding behind a vertical tab": START + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a coding before there were any": b"POST /v1/bodies HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded line": GET + b"X-A: a\r\n b\r\n\r\n",
    "a folded coding": START + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "lines that end in LF": b"GET /livez HTTP/1.1\nHost: a.test\n\n",
    "one line that ends in LF": GET + b"X-A: a\nX-B: b\r\n\r\n",
    "a CR in a line": GET + b"X-A: a\rX-B: b\r\n\r\n",
    "a blank before the colon": START + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a blank before the first name": b"GET /livez HTTP/1.1\r\n Host: a.test\r\n\r\n",
    "NUL in a value": GET + b"X-A: a\0b\r\n\r\n",
    "a name that is none": GET + b"X(A: b\r\n\r\n",
    "no name": GET + b": b\r\n\r\n",
    "no colon": GET + b"X-A\r\n\r\n",
    "no host": b"GET /livez HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: b.test\r\n\r\n",
    "two hosts in one line": GET.replace(b"a.test", b"a.test, b.test") + b"\r\n",
    "a host with a path": GET.replace(b"a.test", b"a.test/b") + b"\r\n",
    "a host with a name": GET.replace(b"a.test", b"a@a.test") + b"\r\n",
    "a host that is none, with chunks": CHUNKED.replace(b"a.test", b"a<b") + b"0\r\n\r\n",
    "an unknown method": b"BREW /livez HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "a method in small letters": b"get /livez HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "a tunnel": b"CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n",
    "a blank in the target": b"GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "a byte in the target that is not ASCII": b"GET /\xff HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "a target without a path": b"GET http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "HTTP/0.9": b"GET /livez\r\n\r\n",
    "HTTP/2 in the clear": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version of its own": b"GET /livez HTTP/2.0\r\nHost: a.test\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "chunks that end in LF": CHUNKED + b"3\nabc\n0\n\n",
    "a chunk longer than it says": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "a chunk of hexadecimal 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk beyond all numbers": CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "a chunk extension that ends in LF": CHUNKED + b"3;a\nabc\r\n0\r\n\r\n",
}
SERVED = {
    "a chunk extension": (CHUNKED + b"3;a=b\r\nabc\r\n0\r\n\r\n", b'"size":3'),
    "trailers": (CHUNKED + b"3\r\nabc\r\n0\r\nX-A: a\r\nHost: b.test\r\n\r\n", b'"size":3'),
    "a value that is not ASCII": (GET + b"X-A: \xff\r\n\r\n", b"ok"),
    "empty lines first": (b"\r\n\r\n" + GET + b"\r\n", b"ok"),
    "a target with its host": (GET.replace(b"/livez", b"http://b.test/livez") + b"\r\n", b"ok"),
    "a target with a fragment": (GET.replace(b"/livez", b"/livez#a") + b"\r\n", b"ok"),
    "blanks around a host": (GET.replace(b"a.test", b"\t a.test \t") + b"\r\n", b"ok"),
    "an address and a port": (GET.replace(b"a.test", b"[::1]:8000") + b"\r\n", b"ok"),
    "an empty host": (GET.replace(b"a.test", b"") + b"\r\n", b"ok"),
    "HTTP/1.0 without a host": (b"GET /livez HTTP/1.0\r\n\r\n", b"ok"),
    "HTTP/1.0 that expects": (
        b"POST /v1/bodies HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
        b'"size":3',
    ),
    "an upgrade to HTTP/2": (
        START.replace(b"close", b"close, Upgrade, HTTP2-Settings")
        + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 3\r\n\r\nabc",
        b'"size":3',
    ),
    "an upgrade with chunks": (
        START.replace(b"close", b"Upgrade, close")
        + b"Upgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b'"size":3',
    ),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_may_be_read_in_two_ways_is_not_read(server, eventually, form):
    with server.connect() as connection:
        answer = parsed(exchange(connection, REFUSED[form]))
    assert (answer.status, answer.code, answer.headers["connection"]) == (400, "bad_request", "close")
    assert answer.headers["x-content-type-options"] == "nosniff"
    request_id = answer.headers["x-request-id"]
    eventually(lambda: any(line.get("request_id") == request_id for line in server.lines))
    (line,) = [line for line in server.lines if line.get("request_id") == request_id]
    assert (line["event"], line["status"]) == ("request", 400)


@pytest.mark.parametrize("form", SERVED)
def test_what_has_one_meaning_is_served(server, form):
    request, told = SERVED[form]
    with server.connect() as connection:
        answer = parsed(exchange(connection, request))
    assert answer.status == 200
    assert told in answer.body


def test_what_cannot_be_read_is_counted(server):
    def counted() -> int:
        metrics = httpx.get(f"{server.url}/metrics").text
        found = re.search(r'seconds_count\{.*"_OTHER",.*_code="400",http_route="unmatched"\} (\d+)', metrics)
        return int(found[1]) if found else 0

    before = counted()
    with server.connect() as connection:
        exchange(connection, REFUSED["no host"])
    assert counted() == before + 1


def test_a_trailer_is_no_header(server):
    with server.connect() as connection:
        answer = parsed(exchange(connection, CHUNKED + b"0\r\nX-Request-ID: forged\r\n\r\n"))
    assert (answer.status, answer.headers["x-request-id"] == "forged") == (200, False)


def test_the_id_of_a_request_that_cannot_be_read_is_its_own(server):
    with server.connect() as connection:
        answer = exchange(connection, GET + b"X-Request-ID: mine\r\nX-A: a\0\r\n\r\n")
    assert parsed(answer).headers["x-request-id"] == "mine"


def test_what_cannot_be_read_waits_until_those_before_it_are_answered(server):
    slow = b"GET /v1/slow?seconds=0.2 HTTP/1.1\r\nHost: a.test\r\n\r\n"
    with server.connect() as connection:
        answer = exchange(connection, slow + b"nonsense\r\n\r\n")
    first, second = answer.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"200")
    assert refused(b"HTTP/1.1 " + second) == (400, "bad_request", "close")


def test_an_upgrade_that_comes_in_pieces_is_ignored_and_the_connection_goes_on(server):
    upgrade = (
        b"POST /v1/bodies HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n"
    )
    with server.connect() as connection:
        connection.sendall(upgrade + b"a")
        answer = exchange(connection, b"bc", GET + b"\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b'"size":3' in answer


def test_a_body_that_turns_out_to_be_none_after_its_answer_ends_the_connection(server):
    with server.connect() as connection:
        connection.sendall(b"POST /of-no-route HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 404")
        # Its last bytes may be those of the first answer.
        assert b"HTTP/1.1" not in exchange(connection, b"no chunk\r\n")


@pytest.mark.parametrize(
    "head",
    [
        GET + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n",
        GET.replace(b"/livez", b"/" + b"a" * 70_000) + b"\r\n",
        GET + b"X-A: a\r\n" * 200 + b"\r\n",
        GET + b"X-A: " + b"a" * 70_000,
        b"\r\n" * 40_000,
        CHUNKED + b"1\r\na\r\n0\r\nX-A: " + b"a" * 600_000,
    ],
    ids=["value", "target", "fields", "endless", "nothing", "trailers"],
)
def test_a_head_that_is_too_large_is_refused(server, head):
    with server.connect() as connection:
        answer = exchange(connection, *(head[at : at + 9000] for at in range(0, len(head), 9000)))
    assert refused(answer) == (431, "head_too_large", "close")


def test_a_head_that_comes_with_more_than_a_head_may_have_is_served(server):
    body = b"x" * 100_000
    with server.connect() as connection:
        answer = exchange(connection, START + b"Content-Length: 100000\r\n\r\n" + body)
    assert b'"size":100000' in parsed(answer).body


@pytest.mark.parametrize("sent", [GET, b"G", b"\r\n"], ids=["all but its end", "a letter", "an empty line"])
def test_a_head_that_does_not_end_is_not_waited_for(server_that_is_in_a_hurry, sent):
    with server_that_is_in_a_hurry.connect() as connection:
        assert refused(exchange(connection, sent)) == (408, "head_timed_out", "close")


def test_a_head_that_begins_while_another_request_is_answered_is_not_waited_for(server_that_is_in_a_hurry, eventually):
    slow = b"GET /v1/slow?seconds=0.2 HTTP/1.1\r\nHost: a.test\r\n\r\n"
    with server_that_is_in_a_hurry.connect() as connection:
        connection.sendall(slow)
        eventually(lambda: server_that_is_in_a_hurry.says("slow began"))
        answer = exchange(connection, b"G")
    assert b"HTTP/1.1 200" in answer
    assert answer.endswith(b"}")
    assert b'"head_timed_out"' in answer


def test_a_head_that_drips_is_not_waited_for(server_that_is_in_a_hurry):
    with server_that_is_in_a_hurry.connect() as connection:
        connection.settimeout(0.05)
        connection.sendall(GET)
        answer = b""
        for _ in range(1000):
            try:
                connection.sendall(b"G")
                answer += connection.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                break
            if answer.endswith(b"}"):
                break
    assert refused(answer) == (408, "head_timed_out", "close")


def test_of_many_requests_at_once_some_are_answered_and_the_connection_ends(server):
    slow = b"GET /v1/slow?seconds=0.2 HTTP/1.1\r\nHost: a.test\r\n\r\n"
    more = b"GET /livez HTTP/1.1\r\nHost: a.test\r\n\r\n"
    with server.connect() as connection:
        answer = exchange(connection, slow + more * 100)
    assert answer.count(b"HTTP/1.1 200 OK") == 17
    assert parsed(answer[answer.rindex(b"HTTP/1.1") :]).headers["connection"] == "close"
