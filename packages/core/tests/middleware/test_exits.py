"""What the log says of a request that failed; the matrix of all exits is in core.testing.exits."""

import orjson
import pytest


async def test_what_a_handler_answered_wrongly_is_logged_without_the_values(anywhere, logs):
    await anywhere.get("/v1/exits/response-validation")
    line = next(line for line in logs if line["level"] == "error")
    assert line["errors"] == [{"pointer": "#/response/name", "code": "string_type"}]
    assert line["operation"] == "GET /v1/exits/response-validation" or line["operation"].startswith("GET /example/")
    assert "canary" not in orjson.dumps(logs).decode()


@pytest.mark.parametrize("mistake", ["nothing", "only-a-start"])
async def test_a_missing_answer_is_logged(anywhere, logs, mistake):
    await anywhere.get(f"/v1/exits/misuse/{mistake}")
    assert [line["event"] for line in logs if line["level"] == "error"] == ["no response"]


async def test_a_failure_says_which_request_it_was(anywhere, tracebacks):
    await anywhere.get("/v1/exits/handler", headers={"X-Request-ID": "asked-1"})
    (line,) = tracebacks()
    assert (line["request_id"], line["service.name"], line["method"]) == ("asked-1", "example", "GET")
    assert line["path"].endswith("/v1/exits/handler")
    assert "RuntimeError: canary" in line["exception"]


async def test_a_header_of_two_lines_is_named_and_not_quoted(anywhere, tracebacks):
    await anywhere.get("/v1/exits/misuse/a-header-of-two-lines")
    (line,) = tracebacks()
    assert "the value of the header x-note holds a control character" in line["exception"]
    assert "forged" not in line["exception"]
