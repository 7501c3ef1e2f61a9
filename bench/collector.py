"""Takes the spans of the traced subject, as a collector does, in a process of its own: `python -m bench.collector`."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Taking(BaseHTTPRequestHandler):
    """Answers every batch with success."""

    def do_POST(self) -> None:
        """Reads it, and forgets it."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Says nothing."""


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Taking)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
