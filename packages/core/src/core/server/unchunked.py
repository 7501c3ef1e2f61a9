"""Answers to HTTP/1.0, which knows no chunks: one whose length nobody has said ends with its connection."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Unchunked(RequestResponseCycle):
    """uvicorn's request and answer, and never in chunks (RFC 9112, section 6.1)."""

    _has_length = True

    async def send(self, message: Any) -> None:
        """Sends the next part."""
        if message["type"] == "http.response.start":
            self._has_length = any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
            if not self._has_length:
                self.chunked_encoding = False
        elif not self._has_length:
            # Whatever comes is as long as was said.
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)
