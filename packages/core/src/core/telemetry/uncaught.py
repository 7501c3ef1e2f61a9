"""What nobody catches is a log line like any other: the failure of a thread, of a finaliser, a warning of Python's."""

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

log = structlog.get_logger("core.telemetry")


@contextmanager
def uncaught_logged() -> Iterator[None]:
    """Until the block ends, none of them is text on standard error, where nobody masks what it quotes."""
    before = threading.excepthook, sys.unraisablehook, warnings.showwarning
    threading.excepthook, sys.unraisablehook, warnings.showwarning = _thread_failed, _not_raised, _warned
    try:
        yield
    finally:
        threading.excepthook, sys.unraisablehook, warnings.showwarning = before


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_type is not SystemExit:
        thread = failed.thread.name if failed.thread else None
        log.error("thread failed", thread=thread, exc_info=(failed.exc_type, failed.exc_value, failed.exc_traceback))


def _not_raised(failed: "sys.UnraisableHookArgs") -> None:
    # Its name alone: the object may be half destroyed.
    where = getattr(failed.object, "__qualname__", type(failed.object).__qualname__)
    log.error(
        "exception that could not be raised",
        where=where,
        exc_info=(failed.exc_type, failed.exc_value, failed.exc_traceback),
    )


def _warned(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
    log.warning(str(message), category=category.__name__, where=f"{filename}:{lineno}")
