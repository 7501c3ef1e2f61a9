"""HTTP/2 in the clear, frame by frame (RFC 9113): fields that no library would send."""

import json
from collections.abc import Sequence
from typing import Any

from clients import connected

Fields = Sequence[tuple[str, str]]
_START = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4


def document_of(url: str, fields: Fields, body: bytes) -> dict[str, Any]:
    """The JSON that answers one request."""
    heading = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields)
    with connected(url) as connection:
        connection.sendall(_START + _frame(_SETTINGS, 0, 0, b"") + _frame(_HEADERS, _END_HEADERS, 1, heading))
        connection.sendall(_frame(_DATA, _END_STREAM, 1, body))
        with connection.makefile("rb") as received:
            while top := received.read(9):
                data = received.read(int.from_bytes(top[:3]))
                if top[3] == _DATA and data:
                    return json.loads(data)
    raise AssertionError("nothing is answered")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def _text(text: str) -> bytes:
    """A string of less than 127 bytes, as RFC 7541 writes it."""
    return bytes([len(text)]) + text.encode()
