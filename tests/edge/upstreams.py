"""A server behind the edge that keeps what reaches it, and that can do what no service should."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LARGE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived; a body that broke off is None."""

    method: str
    path: str
    headers: dict[str, list[str]]
    body: bytes | None


class Upstream(ThreadingHTTPServer):
    """Listens on this machine until `refuse`; probes are answered, and not kept."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[Seen] = []
        self.is_ready = True
        # Ends the connection of whatever it has read, without an answer.
        self.breaks_off = False
        self.let_go = threading.Event()
        self.was_cut = threading.Event()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.server_address[1]}"

    def refuse(self) -> None:
        """Listens no longer."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: that connections break is what is tested."""


@contextmanager
def upstream() -> Iterator[Upstream]:
    """One that serves until the block ends."""
    with Upstream() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.let_go.set()
            server.shutdown()
            thread.join()


@contextmanager
def upstream_process() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """One that may be killed, and where it listens."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _upstream(self) -> Upstream:
        assert isinstance(self.server, Upstream)
        return self.server

    def __getattr__(self, name: str) -> Any:
        """`do_GET` and so on, of any method."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        if self.path == "/readyz":
            self._send(b"", status=200 if self._upstream.is_ready else 503, closes=True)
            return
        body = self._body()
        headers: dict[str, list[str]] = {}
        for name, value in self.headers.items():
            headers.setdefault(name.lower(), []).append(value)
        self._upstream.seen.append(Seen(self.command, self.path, headers, body))
        if self._upstream.breaks_off or body is None:
            self.close_connection = True
            return
        match self.path.partition("?")[0]:
            case "/half":
                self._send(b"half", length=2 * len(b"half"))
                self.close_connection = True
            case "/never":
                self._upstream.let_go.wait()
                self.close_connection = True
            case "/stream":
                self._stream()
            case "/large":
                self._large()
            case _:
                self._send(json.dumps({"path": self.path, "headers": headers}).encode())

    def _send(self, body: bytes, *, status: int = 200, length: int | None = None, closes: bool = False) -> None:
        self.send_response_only(status)
        if closes:
            # So that no request comes on it.
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Strict-Transport-Security", "max-age=1")
        self.send_header("X-Request-ID", self.headers.get("X-Request-ID", "none"))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response_only(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\nfirst\r\n")
        self.wfile.flush()
        self._upstream.let_go.wait()
        self.wfile.write(b"4\r\nlast\r\n0\r\n\r\n")

    def _large(self) -> None:
        try:
            self._send(b"x" * LARGE_BYTES)
        except OSError:
            self._upstream.was_cut.set()
            self.close_connection = True

    def _body(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            return self._chunks()
        expected = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(expected)
        return body if len(body) == expected else None

    def _chunks(self) -> bytes | None:
        body = b""
        while line := self.rfile.readline():
            size = int(line, 16)
            chunk = self.rfile.read(size + 2)
            if size == 0:
                return body
            body += chunk[:-2]
        return None


if __name__ == "__main__":
    with upstream() as _server:
        sys.stdout.write(f"{_server.address}\n")
        sys.stdout.flush()
        # Until it is killed, or whoever started it has ended.
        sys.stdin.read()
