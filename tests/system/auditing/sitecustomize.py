"""Python loads this first where PYTHONPATH says so: it writes down what a process imports and whom it connects to."""

import os
import sys
from typing import Any

# uvloop's own connections are none that Python knows of; an exporter's, which blocks in a thread, are.
_EVENTS = {"import": 0, "socket.connect": 1, "socket.getaddrinfo": 0}
_file = os.open(os.environ["AUDIT_FILE"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS:
        os.write(_file, f"{event} {arguments[_EVENTS[event]]}\n".encode())


sys.addaudithook(_note)
