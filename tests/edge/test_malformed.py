"""What is no request is the client's fault, never the service's: one answer, and the end of the connection."""

import json

import pytest
from clients import answer, connected, problem_of, until
from frames import document_of

TOP = b" /things/v1 HTTP/1.1\r\nHost: api.test\r\n"
CHUNKED = b"POST" + TOP + b"Transfer-Encoding: chunked\r\n\r\n"
MALFORMED = {
    "a chunk longer than it says": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "a chunk of hexadecimal 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk without a size": CHUNKED + b"\r\n",
    "a chunk beyond all numbers": CHUNKED + b"fffffffffffffffff\r\n",
    "chunks that end in LF": CHUNKED + b"3\nabc\n0\n\n",
    "a long chunk extension": CHUNKED + b"3;" + b"a" * 4200 + b"\r\nabc\r\n0\r\n\r\n",
    "more chunk extensions than chunks": CHUNKED + (b"1;" + b"a" * 1000 + b"\r\na\r\n") * 20 + b"0\r\n\r\n",
    "a trailer without a colon": CHUNKED + b"0\r\nnonsense\r\n\r\n",
    "long trailers": CHUNKED + b"0\r\nX-A: " + b"a" * 5000 + b"\r\n\r\n",
    "an empty host": b"GET /things/v1 HTTP/1.1\r\nHost:\r\n\r\n",
    "a method without end": b"A" * 33 + TOP + b"\r\n",
}
INNOCENT = b"GET /things/innocent HTTP/1.1\r\nHost: api.test\r\n\r\n"
REQUEST = {":method": "POST", ":scheme": "http", ":path": "/things/v1", ":authority": "api.test"}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_request_is_refused_and_nothing_after_it_is_read(plain, sent):
    with connected(plain.url) as connection:
        connection.sendall(sent + INNOCENT)
        response = answer(connection)
    assert problem_of(response) == (400, "bad_request")
    assert response is not None
    assert response.headers["connection"] == "close"
    assert response.json()["title"] == "The request is malformed"
    assert "/innocent" not in {seen.path for seen in plain.behind.seen}


def test_a_reader_whose_chunks_are_none_is_not_asked_again(plain):
    with connected(plain.url) as connection:
        connection.sendall(MALFORMED["a chunk longer than it says"].replace(b"POST", b"GET"))
        assert problem_of(answer(connection)) == (400, "bad_request")
    assert len(plain.behind.seen) <= 1


@pytest.mark.parametrize("form", ["an empty host", "a chunk without a size"])
def test_what_is_no_request_has_its_line_with_its_id_once(plain, form):
    mine = f"mine-{form.replace(' ', '-')}"
    with connected(plain.url) as connection:
        connection.sendall(MALFORMED[form].replace(b"\r\nHost", f"\r\nX-Request-ID: {mine}\r\nHost".encode()))
        response = answer(connection)
    assert response is not None
    assert (response.headers["x-request-id"], response.json()["request_id"]) == (mine, mine)
    line = f'"request_id":"{mine}"'
    until(lambda: line in plain.log.read_text())
    (told,) = [each for each in plain.log.read_text().splitlines() if line in each]
    assert (told.count('"request_id"'), json.loads(told)["status"]) == (1, 400)


@pytest.mark.parametrize(
    "fields",
    [
        {**REQUEST, ":method": "GET /things/v1"}.items(),
        {**REQUEST, "content-length": "30"}.items(),
        [*REQUEST.items(), ("content-length", "3"), ("content-length", "4")],
    ],
    ids=["a blank in the method", "less than was said", "two lengths"],
)
def test_what_is_no_request_in_http_2_is_refused(plain, fields):
    document = document_of(plain.url, list(fields), b"abc")
    assert (document["status"], document["code"], document["title"]) == (400, "bad_request", "The request is malformed")
