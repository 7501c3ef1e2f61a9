"""How clients leave a process that stops: what they have asked is answered, and tells them to come to another."""

from email.utils import formatdate
from time import monotonic
from typing import Any

from uvicorn.server import ServerState

from core.server.unheard import is_readable

# Whoever has connected has time to ask, and who was answered before the stop to ask again.
QUIET_S_MAX = 2.0


class Departures:
    """The connections of a server that stops. One that says nothing for `quiet_s` is closed, once that is asked for.

    A connection cannot be closed under a request: HTTP/1.1 has no word for it but `Connection: close` in an answer
    (RFC 9112, section 9.6), and a request that meets the close may not be repeated if it is not idempotent.
    """

    def __init__(self, state: ServerState, *, quiet_s: float) -> None:
        self._state = state
        self._quiet_s = quiet_s
        # Since when a connection has said nothing, after which request.
        self._quiet: dict[Any, tuple[object, float]] = {}

    def begin(self) -> None:
        """From here on each answer is the last one of its connection, unless it has begun before."""
        for connection in self._connections:
            if _is_busy(connection) and not connection.cycle.response_started:
                connection.cycle.keep_alive = False
        self.look()

    def look(self) -> None:
        """Sees who is quiet; to be called every now and then."""
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode()), (b"connection", b"close")]
        now = monotonic()
        before = self._quiet
        self._quiet = {}
        for connection in self._connections:
            if not _is_busy(connection):
                # A scope is made when a head begins to arrive.
                asked, since = before.get(connection, (None, now))
                self._quiet[connection] = (connection.scope, since if asked is connection.scope else now)

    def close_quiet(self) -> None:
        """Closes who has been quiet for long enough."""
        self.look()
        now = monotonic()
        for connection, (_, since) in self._quiet.items():
            # What has come since was not seen by a process that was held up.
            transport = connection.transport
            if now - since >= self._quiet_s and not is_readable(transport.get_extra_info("socket")):
                transport.close()

    def unsent(self) -> list[str]:
        """The requests whose answer is complete, and not taken by their client."""
        return [
            f"{connection.cycle.scope['method']} {connection.cycle.scope['path']}"
            for connection in self._connections
            if not _is_busy(connection) and connection.transport.get_write_buffer_size()
        ]

    @property
    def _connections(self) -> list[Any]:
        # Of several classes, which have no common one.
        return list(self._state.connections)


def _is_busy(connection: Any) -> bool:
    return connection.cycle is not None and not connection.cycle.response_complete
