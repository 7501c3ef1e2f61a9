"""uvicorn's HTTP/1.1 with bounds: what cannot be read, or does not come, is refused as any other request is."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import httptools
from starlette.types import ASGIApp
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from core.errors import BadRequest, DomainError, HeadTimedOut, HeadTooLarge
from core.metrics import OTHER
from core.middleware.guard import REFUSAL
from core.server.chunked_body import ChunkedBody
from core.server.framing import FIELDS_MAX, check_framing, check_size, is_host, without_upgrade
from core.server.lingering import LINGER_BYTES_MAX, LINGER_S, LingeringTransport
from core.server.room import make_room
from core.server.unchunked import Unchunked

# Requests of one connection that wait for the one before. The client repeats those beyond (RFC 9112, section 9.3.2).
PIPELINED_MAX = 16
# Where trailers go: they are no headers (RFC 9110, section 6.5.1), and a proxy may have looked at headers alone.
_NOWHERE: Any = deque(maxlen=0)
_NOTED = frozenset({b"expect", b"transfer-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the connections of a process may cost, and each of them."""

    connections_max: int
    head_max_bytes: int
    head_timeout_s: float
    send_timeout_s: float


class _TooManyPipelinedError(Exception):
    """Nothing further is read of this connection."""


class ChassisProtocol(HttpToolsProtocol):
    """One connection: it has a request to answer, or a timer that ends the wait for the client."""

    _line: LingeringTransport

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        # What has come since it last made a head, or some of a body.
        self._unread_bytes = 0
        self._discarded_bytes = 0
        self._in_head = False
        self._deaf = False
        self._hosts: list[bytes] = []
        self._codings: list[bytes] = []
        # The request that is answered; `cycle` is the one that was read last.
        self._answered: RequestResponseCycle | None = None
        self._app = cast("ASGIApp", self.app)
        self._chunked = ChunkedBody(self._app)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a request."""
        send_timeout_s = self._limits.send_timeout_s
        self._line = LingeringTransport(
            transport, self.loop, stop_reading=self._stop_reading, send_timeout_s=send_timeout_s
        )
        super().connection_made(self._line)
        self._wait(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if len(self.connections) > self._limits.connections_max:
            make_room(self.connections, connections_max=self._limits.connections_max)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends what still waits for the client."""
        self._unset_keepalive_if_required()
        self._line.lost()
        if self._answered is not None and not self._answered.response_complete:
            # uvicorn tells the one that was read last.
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads what has come."""
        if self._deaf:
            self._line.discard(len(data))
            return
        self._unread_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._cannot_read(error)
        else:
            if self._unread_bytes > self._limits.head_max_bytes:
                self._refuse(HeadTooLarge())
            elif self._discarded_bytes > LINGER_BYTES_MAX:
                self._line.close()
            elif self._unread_bytes and not self._in_head and (self.cycle is None or self.cycle.response_complete):
                self._wait_for_head()

    def on_message_begin(self) -> None:
        """Begins a head, of which some may have come with the end of the request before."""
        super().on_message_begin()
        self._unread_bytes = self._unread_bytes or 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps a header, and notes what it says of the message."""
        name = name.lower()
        if name == b"host":
            self._hosts.append(value.strip(b" \t"))
        elif name in _NOTED and self.headers is not _NOWHERE:
            self._note(name, value)
        self.headers.append((name, value))

    def _note(self, name: bytes, value: bytes) -> None:
        value = value.strip().lower()
        if name == b"transfer-encoding":
            self._codings.append(value)
        else:
            self.expect_100_continue = value == b"100-continue"

    def on_headers_complete(self) -> None:
        """Begins a request, unless it is one that is not read."""
        bytes_max = self._limits.head_max_bytes
        if self._unread_bytes > bytes_max or len(self.headers) > FIELDS_MAX:
            check_size(self.url, self.headers, bytes_max=bytes_max)
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise BadRequest("This is no proxy.")
            return
        version, hosts, codings = self.parser.get_http_version(), self._hosts, self._codings
        if version != "1.1" or codings or len(hosts) != 1 or not is_host(hosts[0]):
            check_framing(version=version, hosts=hosts, codings=codings)
            # HTTP/1.0 knows of no 100 (RFC 9110, section 10.1.1).
            self.expect_100_continue = self.expect_100_continue and version == "1.1"
        if len(self.pipeline) >= PIPELINED_MAX:
            raise _TooManyPipelinedError
        self._unread_bytes = 0
        self._in_head = False
        self._unset_keepalive_if_required()
        if codings:
            self._begin_chunked()
        else:
            super().on_headers_complete()
        if version == "1.0":
            # uvicorn has made it, and it has not begun.
            self.cycle.__class__ = Unchunked
        self.headers = _NOWHERE

    def _begin_chunked(self) -> None:
        self._codings.clear()
        self._chunked = ChunkedBody(self._app)
        self.app = cast("Any", self._chunked)
        super().on_headers_complete()
        self.app = cast("Any", self._app)

    def on_body(self, body: bytes) -> None:
        """Passes on a part of a body; what comes after the answer is dropped."""
        self._unread_bytes = 0
        if self.cycle.response_complete:
            self._discarded_bytes += len(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends a request, which may have been answered before."""
        if self.headers is not _NOWHERE:
            # It is read again, without its upgrade.
            return
        # Trailers may have had some, too.
        self._hosts.clear()
        self._unread_bytes = self._discarded_bytes = 0
        self.cycle.more_body = False
        if not self.cycle.response_complete:
            self.cycle.message_event.set()
        else:
            self._wait(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def on_response_complete(self) -> None:
        """Begins the next request, or waits for what the client still has to send."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is None:
            return
        if self.cycle.more_body:
            self._wait(LINGER_S, self._line.close)
        elif self._unread_bytes:
            self._wait_for_head()

    def pause_writing(self) -> None:
        """Makes the application wait for a client that does not read, for a while."""
        super().pause_writing()
        self._line.watch()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _wait(self, seconds: float, then: Callable[[], object]) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(seconds, then)

    def _wait_for_head(self) -> None:
        self._in_head = True
        self._wait(self._limits.head_timeout_s, partial(self._refuse, HeadTimedOut()))

    def _stop_reading(self) -> bool:
        is_asking = self._unread_bytes > 0 or len(self.pipeline) > 0
        may_come = self._deaf or is_asking or (self.cycle is not None and self.cycle.more_body)
        self._deaf = True
        self._unset_keepalive_if_required()
        return may_come

    def _read_without_upgrade(self, rest: bytes) -> None:
        head = without_upgrade(
            method=self.parser.get_method(),
            url=self.url,
            version=self.parser.get_http_version(),
            fields=self.headers,
        )
        self._unread_bytes = 0
        self._hosts.clear()
        self._codings.clear()
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(head + rest)

    def _cannot_read(self, error: httptools.HttpParserError) -> None:
        cause = error.__context__
        if isinstance(cause, _TooManyPipelinedError):
            self._deaf = True
            last, _ = self.pipeline[0]
            last.keep_alive = False
        elif isinstance(cause, DomainError):
            self._refuse(cause)
        elif isinstance(error, httptools.HttpParserCallbackError):
            # uvicorn's part of it: it finds no path.
            self._refuse(BadRequest("The request target is none that is served here."))
        else:
            self._refuse(BadRequest(f"{error}."))

    def _refuse(self, refusal: DomainError) -> None:
        """Answers what cannot be read; the connection cannot be used again."""
        self._deaf = True
        self._unset_keepalive_if_required()
        cycle = self.cycle
        if cycle is None or not cycle.more_body:
            self._begin_refusal(refusal)
        elif cycle.response_complete:
            self._line.close()
        else:
            cycle.keep_alive = False
            self._chunked.refusal = refusal
            cycle.message_event.set()

    def _begin_refusal(self, refusal: DomainError) -> None:
        """Has the application refuse it, so that it has its id, line and headers as everything has."""
        before, fields = self.cycle, list(self.headers or ())
        self.on_message_begin()
        self.headers += fields
        unknown: Any = {"method": OTHER, "path": "/", "raw_path": b"/", "query_string": b"", REFUSAL: refusal}
        self.cycle = RequestResponseCycle(
            scope={**self.scope, **unknown},
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=False,
            on_response=self.on_response_complete,
        )
        self.cycle.more_body = False
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, cast("Any", self._app))
        else:
            self.pipeline.appendleft((self.cycle, cast("Any", self._app)))
