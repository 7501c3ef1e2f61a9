"""Bytes over a socket, for what no client library sends."""

import json
import socket
from typing import NamedTuple


class Answer(NamedTuple):
    """A response, read by somebody who knows what this server sends."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of a problem document."""
        document = json.loads(self.body)
        assert self.headers["content-type"] == "application/problem+json"
        assert document["request_id"] == self.headers["x-request-id"]
        return document["code"]


def exchange(connection: socket.socket, *parts: bytes) -> bytes:
    """Sends all of it and reads until the server closes."""
    for part in parts:
        connection.sendall(part)
    return read(connection)


def read(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received


def parsed(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    return Answer(int(status.split()[1]), dict(field.split(": ", 1) for field in fields), body)


def refused(raw: bytes) -> tuple[int, str, str]:
    """Status, code, and whether the connection goes on."""
    answer = parsed(raw)
    return answer.status, answer.code, answer.headers["connection"]
