"""However a request ends, it ends the same way: one shape, one id, one line, at most one traceback."""

import httpx
import orjson
import pytest
from bare import WEB_ORIGIN

from core.testing import problem

ASKED = {"Origin": WEB_ORIGIN, "X-Request-ID": "asked-1"}
LARGE = b" " * 1001
JSON = {"Content-Type": "application/json"}


async def in_chunks():
    yield LARGE


# Method, path, what is sent; status, code, tracebacks.
EXITS = {
    "a handler": ("GET", "/v1/exits/handler", {}, 500, "internal_error", 1),
    "a refusal": ("GET", "/v1/exits/refusal", {}, 409, "conflict", 0),
    "a dependency": ("GET", "/v1/exits/dependency", {}, 500, "internal_error", 1),
    "the end of a dependency": ("GET", "/v1/exits/yield-before-the-answer", {}, 500, "internal_error", 1),
    "a dependency that swallows": ("GET", "/v1/exits/swallowed", {}, 500, "internal_error", 1),
    "an answer of the wrong shape": ("GET", "/v1/exits/response-validation", {}, 500, "internal_error", 0),
    "somebody else's cancellation": ("GET", "/v1/exits/foreign-cancellation", {}, 500, "internal_error", 1),
    "a stream before its first chunk": ("GET", "/v1/exits/stream-breaks-at-once", {}, 500, "internal_error", 1),
    "JSON lines before their first": ("GET", "/v1/exits/json-lines-break-at-once", {}, 500, "internal_error", 1),
    "a stream that refuses": ("GET", "/v1/exits/stream-refuses-at-once", {}, 404, "not_found", 0),
    "a stream with a status": ("GET", "/v1/exits/stream-raises-a-status-at-once", {}, 415, "unsupported_media_type", 0),
    "a stream that stalls": ("GET", "/v1/exits/stream-stalls", {}, 504, "timed_out", 0),
    "nothing was answered": ("GET", "/raw/nothing", {}, 500, "internal_error", 0),
    "only a start": ("GET", "/raw/only-a-start", {}, 500, "internal_error", 0),
    "an unknown path": ("GET", "/v1/nothing-here", {}, 404, "not_found", 0),
    "a wrong method": ("DELETE", "/v1/exits/slow", {}, 405, "method_not_allowed", 0),
    "malformed JSON": ("POST", "/v1/exits/things", {"content": b"{", "headers": JSON}, 400, "malformed_json", 0),
    "an invalid body": ("POST", "/v1/exits/things", {"json": {}}, 422, "validation_failed", 0),
    "no JSON": ("POST", "/v1/exits/things", {"content": b"a=1"}, 415, "unsupported_media_type", 0),
    "a large body": ("POST", "/v1/exits/things", {"content": LARGE}, 413, "content_too_large", 0),
    "a body that grows": (
        *("POST", "/v1/exits/things", {"content": in_chunks, "headers": JSON}),
        *(413, "content_too_large", 0),
    ),
    "a body that grows, read by the handler": (
        *("POST", "/raw/body", {"content": in_chunks}),
        *(413, "content_too_large", 0),
    ),
    "too slow": ("GET", "/v1/exits/slow", {}, 504, "timed_out", 0),
    "a status": ("GET", "/v1/exits/http-exception?status=429", {}, 429, "rate_limited", 0),
}


@pytest.mark.parametrize("exit_", EXITS.values(), ids=EXITS)
async def test_every_exit_is_one_problem_one_id_one_line(exit_, anywhere, requests, tracebacks, logs):
    method, path, sent, status, code, failures = exit_
    sent = dict(sent)
    headers = ASKED | sent.pop("headers", {})
    if callable(content := sent.get("content")):
        sent["content"] = content()

    response = await anywhere.request(method, path, headers=headers, **sent)

    assert problem(response) == (status, code)
    assert response.headers.get_list("x-request-id") == ["asked-1"]
    assert response.headers["access-control-allow-origin"] == WEB_ORIGIN
    assert response.headers["x-content-type-options"] == "nosniff"
    (line,) = requests()
    assert (line["method"], line["status"], line["request_id"]) == (method, status, "asked-1")
    assert line["bytes"] == len(response.content)
    assert len(tracebacks()) == failures
    assert "canary" not in response.text
    assert all(line["request_id"] == "asked-1" for line in logs)


async def test_what_a_handler_answered_wrongly_is_logged_without_the_values(anywhere, logs):
    await anywhere.get("/v1/exits/response-validation")
    line = next(line for line in logs if line["level"] == "error")
    assert line["errors"] == [{"pointer": "#/response/name", "code": "string_type"}]
    assert line["operation"] == "GET /v1/exits/response-validation" or line["operation"].startswith("GET /example/")
    assert "canary" not in orjson.dumps(logs).decode()


@pytest.mark.parametrize("misuse", ["nothing", "only-a-start"])
async def test_a_missing_answer_is_logged(anywhere, logs, misuse):
    await anywhere.get(f"/raw/{misuse}")
    assert [line["event"] for line in logs if line["level"] == "error"] == ["no response"]


@pytest.mark.parametrize(
    ("path", "failures"),
    [
        ("/v1/exits/stream-breaks-later", 1),
        ("/v1/exits/stream-refuses-later", 1),
        ("/raw/no-end", 0),
    ],
)
async def test_a_response_that_breaks_off_stays_truncated(anywhere, requests, tracebacks, path, failures):
    with pytest.raises(httpx.RemoteProtocolError, match="without a whole response"):
        await anywhere.get(path)
    assert [line["status"] for line in requests()] == [200]
    assert len(tracebacks()) == failures


@pytest.mark.parametrize("path", ["/v1/exits/background", "/v1/exits/yield-after-the-answer"])
async def test_a_failure_after_the_answer_does_not_change_it(anywhere, requests, tracebacks, path):
    response = await anywhere.get(path)
    assert (response.status_code, response.json()) == (200, {"name": "sent"})
    assert [line["status"] for line in requests()] == [200]
    assert len(tracebacks()) == 1


async def test_a_failure_says_which_request_it_was(anywhere, tracebacks):
    await anywhere.get("/v1/exits/handler", headers={"X-Request-ID": "asked-1"})
    (line,) = tracebacks()
    assert (line["request_id"], line["service.name"], line["method"]) == ("asked-1", "example", "GET")
    assert line["path"].endswith("/v1/exits/handler")
    assert "RuntimeError: canary" in line["exception"]
