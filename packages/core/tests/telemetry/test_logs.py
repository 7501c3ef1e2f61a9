"""Every line is one JSON object with the same fields, whoever wrote it, and no secret is in any."""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
import structlog
from pydantic import BaseModel, ValidationError

from core.telemetry.exchange import Exchange, Identity, current_exchange, current_service, request_id
from core.telemetry.logs import access_line, logging_to_stdout

CANARY = "hunter2-canary"
FORMS = ["json", "console"]

BILLING = Identity("billing", "1.2.3", "staging")
OF_BILLING = {"service.name": "billing", "service.version": "1.2.3", "deployment.environment.name": "staging"}

log = structlog.get_logger("tests")


def exchange() -> Exchange:
    return Exchange(service=BILLING, request_id="id-1", method="GET", client="192.0.2.7")


@dataclass
class Holder:
    password: str


class Strict(BaseModel):
    pin: int


def refused() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Strict.model_validate({"pin": CANARY})
    return caught.value


def test_a_line_is_json_and_says_when_what_and_for_whom(written):
    lines = written()
    token = current_exchange.set(exchange())
    log.info("paid", amount_minor=100)
    current_exchange.reset(token)
    line = json.loads(lines[0])
    assert lines[0].endswith(b"\n")
    assert lines[0].count(b"\n") == 1
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo == UTC
    assert line == {
        "event": "paid",
        "level": "info",
        **OF_BILLING,
        "request_id": "id-1",
        "amount_minor": 100,
    }


def test_work_outside_a_request_is_said_in_the_name_of_its_service(written):
    lines = written()
    token = current_service.set(BILLING)
    log.info("swept")
    assert request_id() is None
    current_service.reset(token)
    line = json.loads(lines[0])
    assert line.items() >= OF_BILLING.items()
    assert "request_id" not in line


@pytest.mark.parametrize("process", [BILLING, None])
def test_what_no_service_says_is_said_in_the_name_of_the_process_if_it_has_one(written, process):
    lines = written(process=process)
    log.info("stopped")
    line = json.loads(lines[0])
    assert {name: line[name] for name in OF_BILLING if name in line} == (OF_BILLING if process else {})


@pytest.mark.parametrize("name", ["sqlalchemy.engine", "uvicorn.error", "asyncio"])
def test_lines_of_the_standard_library_and_of_uvicorn_come_the_same_way(written, name):
    lines = written()
    token = current_exchange.set(exchange())
    logging.getLogger(name).warning("%d of %d", 1, 2, extra={"host": "db-1"})
    current_exchange.reset(token)
    line = json.loads(lines[0])
    assert line.pop("timestamp")
    assert line == {
        "event": "1 of 2",
        "level": "warning",
        **OF_BILLING,
        "request_id": "id-1",
        "host": "db-1",
    }


@pytest.mark.parametrize("form", FORMS)
def test_what_is_below_the_level_is_not_written(written, form):
    lines = written(level="warning", form=form)
    log.info("quiet")
    logging.getLogger("library").info("quiet")
    assert lines == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "fields",
    [
        {"password": CANARY},
        {"url": f"postgresql://billing:{CANARY}@db/billing"},
        {"url": httpx.URL(f"https://user:{CANARY}@mail.example")},
        {"error": ConnectionError(f"password={CANARY}")},
        {"headers": {"authorization": f"Bearer {CANARY}"}},
        {"attempts": [{"secret_key": CANARY}]},
        {"attempts": [ConnectionError(f"password={CANARY}")]},
        {"settings": Holder(CANARY)},
        {"found": {"settings": Holder(CANARY)}},
        {"raw": f"password={CANARY}".encode()},
    ],
    ids=str,
)
def test_a_canary_is_in_no_line(written, form, fields):
    lines = written(form=form)
    log.info("connected", **fields)
    logging.getLogger("library").warning("connected", extra=fields)
    assert len(lines) == 2
    assert CANARY.encode() not in b"".join(lines)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("failure", [ConnectionError(f"password={CANARY}"), refused()], ids=type)
def test_a_canary_is_in_no_traceback(written, form, failure):
    lines = written(form=form)
    local_variable = CANARY

    def fail() -> None:
        raise failure

    try:
        fail()
    except Exception:
        log.exception("failed")
        logging.getLogger("uvicorn.error").exception("failed")
    assert local_variable.encode() not in b"".join(lines)
    for line in lines:
        assert b"Traceback (most recent call last)" in line
        assert b"***" in line


class Unprintable:
    """What somebody has not finished."""

    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __repr__


def endless() -> dict[str, object]:
    ring: dict[str, object] = {}
    ring["again"] = [ring]
    return ring


ODD = {
    "a lone surrogate": "\ud800",
    "a large number": 2**70,
    "names that are no text": {1: "a", ("b",): "c"},
    "no number": float("nan"),
    "neither text nor number": ["\ud800", float("nan"), float("inf")],
    "a class": object,
    "bytes": b"\xff\n",
    "control characters": "\x00\x1b[31m\r\n\u2028",
    "itself": endless(),
    "a long text": "x" * 1_000_000,
    "unprintable": Unprintable(),
    "unprintable within": {"found": [Unprintable()]},
    "an unprintable name": {Unprintable(): 1},
}


def strictly(line: bytes) -> dict[str, object]:
    """What a line says to a parser that knows no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(line.decode(), parse_constant=refuse)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_no_value_can_make_a_line_fail(written, form, value):
    lines = written(form=form)
    log.info("odd", value=value, beside="kept")
    logging.getLogger("library").warning("odd", extra={"value": value, "beside": "kept"})
    assert len(lines) == 2
    if form == "json":
        assert [line.count(b"\n") for line in lines] == [1, 1]
        assert [(strictly(line)["event"], strictly(line)["beside"]) for line in lines] == [("odd", "kept")] * 2


def test_values_stay_what_they_are(written):
    lines = written()
    log.info("kept", id=UUID(int=1), at=datetime(2026, 1, 2, tzinfo=UTC), ok=True, none=None, parts=(1, "b"))
    line = json.loads(lines[0])
    assert line["id"] == "00000000-0000-0000-0000-000000000001"
    assert line["at"] == "2026-01-02T00:00:00Z"
    assert (line["ok"], line["none"], line["parts"]) == (True, None, [1, "b"])


def test_text_with_line_breaks_stays_one_line(written):
    lines = written()
    log.info("forged\n{}", path="/a\n/b")
    assert (len(lines), lines[0].count(b"\n")) == (1, 1)


def test_a_message_that_does_not_fit_its_arguments_is_told_as_that(written, capsys):
    lines = written()
    logging.getLogger("library").warning("%d", CANARY)
    line = json.loads(lines[0])
    assert (line["event"], line["logger"]) == ("a line of log cannot be written", "library")
    assert (line["failure"], line["where"].partition(":")[0]) == ("TypeError", __file__)
    assert CANARY.encode() not in lines[0]
    assert capsys.readouterr().err == ""


def test_what_a_library_adds_does_not_stand_above_what_we_say(written):
    lines = written()
    token = current_exchange.set(exchange())
    forged = {"service.name": "forged", "request_id": "forged", "level": "forged", "timestamp": "forged"}
    logging.getLogger("library").warning("said", extra=forged)
    current_exchange.reset(token)
    assert b"forged" not in lines[0]


def test_what_a_request_has_bound_is_on_its_lines(written):
    lines = written()
    with structlog.contextvars.bound_contextvars(invoice_id="inv_1"):
        log.info("paid")
    assert json.loads(lines[0])["invoice_id"] == "inv_1"


def test_an_access_line_is_whole(written):
    lines = written()
    done = exchange()
    done.route, done.status, done.bytes_sent = "/v1/things/{thing_id}", 200, 17
    access_line(done, 0.01234)
    line = json.loads(lines[0])
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo == UTC
    assert line == {
        "level": "info",
        "event": "request",
        **OF_BILLING,
        "request_id": "id-1",
        "method": "GET",
        "route": "/v1/things/{thing_id}",
        "status": 200,
        "duration_ms": 12.3,
        "bytes": 17,
        "client": "192.0.2.7",
    }


def test_a_console_shows_a_request_on_one_readable_line(written):
    lines = written(form="console")
    done = exchange()
    done.route, done.status = "/v1/things", 201
    access_line(done, 0.0021)
    assert lines == [b"billing  GET    /v1/things 201 2.1 ms  id-1\n"]


def test_a_console_shows_fields_by_name(written):
    lines = written(form="console")
    log.warning("a check fails", check="database")
    assert b"a check fails" in lines[0]
    assert b"check=database" in lines[0]


def test_outside_of_any_output_nothing_is_written_and_nothing_fails(capsys):
    printer = structlog.get_config()["logger_factory"]()
    handler = logging.getLogger().handlers[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.telemetry.logs._output", None)
        printer.info("{}")
        handler.handle(logging.makeLogRecord({"msg": "unheard"}))
        access_line(exchange(), 0.1)
    assert capsys.readouterr().out == ""


def test_the_output_before_comes_back(written, logs):
    lines = written(level="warning")
    log.info("not written")
    assert lines == []
    # The fixture `logs` is what stood there before.
    assert logging.getLogger().level == logging.WARNING


def test_the_process_writes_to_standard_output(capfd):
    with logging_to_stdout(level="info", form="json"):
        log.info("started")
    assert json.loads(capfd.readouterr().out)["event"] == "started"
