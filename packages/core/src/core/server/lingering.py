"""A connection that ends: its client is heard a little longer, and is not waited for without end."""

import asyncio
from collections.abc import Callable
from typing import Any

# How long, and for how much, a client is heard that has its answer and sends on: data that meets a closed socket makes
# the kernel reset the connection, and the client loses what it has not read yet (RFC 9112, section 9.6).
LINGER_S = 5.0
LINGER_BYTES_MAX = 16 * 1024 * 1024


class LingeringTransport(asyncio.Transport):
    """A transport whose `close` ends it in two steps where the client may send on, and cuts off one that takes nothing.

    `stop_reading` is called when it begins to end, and says whether the client may send on.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        *,
        stop_reading: Callable[[], bool],
        send_timeout_s: float,
    ) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._stop_reading = stop_reading
        self._send_timeout_s = send_timeout_s
        self._closing = False
        self._dropped_bytes = 0
        self._unsent_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def write(self, data: Any) -> None:
        """Sends, at once or as soon as the client takes it."""
        self._transport.write(data)

    def pause_reading(self) -> None:
        """Lets data wait in the kernel."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Takes data from the kernel."""
        self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Whether no further request is answered."""
        return self._closing or self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the real one says."""
        return self._transport.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        """How many bytes the client has not taken."""
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Closes at once, whatever is on the way."""
        self._transport.abort()

    def close(self) -> None:
        """Closes when all is sent, and what the client still sends was heard."""
        if self.is_closing():
            return
        self._closing = True
        if self._stop_reading():
            self._transport.write_eof()
            self._transport.resume_reading()
        else:
            self._transport.close()
        self.watch()

    def discard(self, size: int) -> None:
        """Counts what was dropped."""
        self._dropped_bytes += size
        if self._dropped_bytes > LINGER_BYTES_MAX:
            self._transport.abort()

    def watch(self) -> None:
        """Ends the connection unless the client takes some of what it is sent, or goes once it has all."""
        self.lost()
        self._unsent_bytes = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(self._send_timeout_s if self._unsent_bytes else LINGER_S, self._look)

    def lost(self) -> None:
        """The connection has ended, and there is nothing to watch."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        left = self._transport.get_write_buffer_size()
        if left >= self._unsent_bytes:
            self._transport.abort()
        elif left or self._closing:
            self.watch()
