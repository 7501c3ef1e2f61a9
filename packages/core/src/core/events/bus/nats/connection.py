"""One connection to a NATS server, from its making to its loss."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import nats.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext

from core.events.bus.nats.servers import Server
from core.events.bus.protocol import BusUnavailable

CONNECT_TIMEOUT_S = 5
ANSWER_TIMEOUT_S = 5
# How often the server is asked whether it is there: a network may swallow what is sent, and say nothing.
HEARTBEAT_S = 10
CLOSE_TIMEOUT_S = 2

T = TypeVar("T")
log = structlog.get_logger("core.events")


class ConnectionLost(BusUnavailable):
    """The connection has ended; another one is being made."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection; it never opens again."""

    client: Client
    jetstream: JetStreamContext
    # Its result is why.
    lost: asyncio.Future[str]

    async def unless_lost(self, work: Coroutine[Any, Any, T], *, timeout_s: float | None = None) -> T:
        """What `work` gives; it does not wait for answers that cannot come any more.

        In a task of its own, because the client swallows a cancellation now and then, and the caller must not.

        Raises:
            BusUnavailable: it did not get its answer.
            TimeoutError: it takes longer.
        """
        task = asyncio.ensure_future(work)
        # Nobody asks for the failure of what nobody waits for any more.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        try:
            done, _ = await asyncio.wait((task, self.lost), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                raise TimeoutError
            if not task.done():
                raise ConnectionLost(self.lost.result())
            with outages():
                return task.result()
        finally:
            task.cancel()

    def give_up(self, cause: str) -> None:
        """Ends it, so that the next one finds what is missing here."""
        if not self.lost.done():
            self.lost.set_result(cause)

    async def end(self) -> str:
        """Returns when it is lost, with the cause."""
        while not self.lost.done():
            await asyncio.wait((self.lost,), timeout=HEARTBEAT_S)
            try:
                await self.unless_lost(self.client.rtt(timeout=ANSWER_TIMEOUT_S))
            except BusUnavailable as failed:
                self.give_up(f"no heartbeat: {failed}")
        return self.lost.result()


@contextmanager
def outages() -> Iterator[None]:
    """Whatever the client raises within the block is an outage.

    Raises:
        BusUnavailable: it was.
    """
    try:
        yield
    except (nats.errors.Error, OSError) as failed:
        raise BusUnavailable(told(failed)) from failed


def told(failure: BaseException) -> str:
    """What failed, in one line; many errors of the client have no text, or a name alone."""
    return f"{type(failure).__name__}: {failure}".removesuffix(": ")


@asynccontextmanager
async def connected(server: Server, *, name: str) -> AsyncIterator[Connection]:
    """A connection that is open until the block ends, unless it is lost before.

    Raises:
        BusUnavailable: there is none.
    """
    lost = asyncio.get_running_loop().create_future()
    complaints: dict[str, None] = {}
    client = _Client(is_tls=server.is_tls)

    async def complain(failure: Exception) -> None:
        text = told(failure)
        if client.is_connected and text not in complaints:
            # Such as a permission that is missing, of which a request learns nothing but that it gets no answer.
            log.warning("nats complains", cause=text)
        complaints[text] = None

    async def closed() -> None:
        if not lost.done():
            lost.set_result(told(client.last_error) if client.last_error else "it was closed")

    connection = Connection(client, client.jetstream(timeout=ANSWER_TIMEOUT_S), lost)
    try:
        try:
            await _connect(client, server, name=name, error_cb=complain, closed_cb=closed)
        except (nats.errors.Error, OSError) as failed:
            # That there are no servers left says less than why.
            raise BusUnavailable(next(reversed(complaints), told(failed))) from failed
        yield connection
    finally:
        # A network that swallows everything lets nobody say goodbye.
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await client.close()


async def _connect(client: Client, server: Server, **callbacks: Any) -> None:
    options: dict[str, Any] = {**server.credentials, **callbacks}
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        await client.connect(
            [server.url],
            tls=await asyncio.to_thread(_trusted),
            tls_hostname=server.host,
            connect_timeout=CONNECT_TIMEOUT_S,
            # A new client each time keeps nothing of the old one: no message that it sends too late, and no state in
            # which it gives up for ever.
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            # `Connection.end` does it.
            ping_interval=24 * 60 * 60,
            **options,
        )


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities of the system, or of SSL_CERT_FILE; read from disk."""
    return ssl.create_default_context()


class _Client(Client):
    """A client that tells nobody its password in clear text where TLS was asked for."""

    def __init__(self, *, is_tls: bool) -> None:
        super().__init__()
        self._is_tls = is_tls

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:  # noqa: FBT001, FBT002 - the client's
        # The first word of the server, before ours. The client itself begins TLS only if the server asks for it: who
        # stands between them could leave that out.
        if self._is_tls and not info.get("tls_required"):
            raise nats.errors.Error("the server offers no TLS")
        await super()._process_info(info, initial_connection)
