"""What nobody catches becomes a line like any other, and none of it is shown on standard error."""

import gc
import json
import sys
import threading
import warnings

import pytest

from core.telemetry.uncaught import uncaught_logged

CANARY = "hunter2-canary"


@pytest.fixture
def lines(written, capsys):
    """`lines()`: what was logged since the test began, if nothing went to standard error."""
    before = threading.excepthook, sys.unraisablehook, warnings.showwarning
    logged = written()

    def said() -> list[dict[str, object]]:
        assert capsys.readouterr().err == ""
        assert CANARY.encode() not in b"".join(logged)
        return [json.loads(line) for line in logged]

    with uncaught_logged():
        yield said
    assert (threading.excepthook, sys.unraisablehook, warnings.showwarning) == before


def run_in_a_thread(failure: BaseException) -> None:
    def work() -> None:
        raise failure

    thread = threading.Thread(target=work, name="worker-7")
    thread.start()
    thread.join()


def test_a_thread_that_fails(lines):
    run_in_a_thread(ConnectionError(f"password={CANARY}"))
    (line,) = lines()
    assert (line["event"], line["level"], line["thread"]) == ("thread failed", "error", "worker-7")
    assert line["exception"].endswith("ConnectionError: password=***")


def test_a_thread_that_ends_itself_has_not_failed(lines):
    run_in_a_thread(SystemExit(1))
    assert lines() == []


def test_a_thread_that_is_gone_has_no_name(lines):
    failed = RuntimeError()
    threading.excepthook(threading.ExceptHookArgs((RuntimeError, failed, None, None)))
    assert lines()[0]["thread"] is None


class Careless:
    def __del__(self) -> None:
        raise ConnectionError(f"password={CANARY}")


def test_a_finaliser_that_fails(lines):
    Careless()
    gc.collect()
    (line,) = lines()
    assert (line["event"], line["where"]) == ("exception that could not be raised", "Careless.__del__")
    assert line["exception"].endswith("ConnectionError: password=***")


def test_a_warning_of_python(lines):
    with warnings.catch_warnings(action="always"):
        warnings.warn(f"old: password={CANARY}\n", UserWarning, stacklevel=1)
    (line,) = lines()
    assert (line["event"], line["level"], line["category"]) == ("old: password=***\n", "warning", "UserWarning")
    assert line["where"].startswith(f"{__file__}:")
