"""A proxy before PostgreSQL that counts what a client makes it answer: nothing but the wire shows all of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit


@dataclass(slots=True)
class Counted:
    """What clients have sent since it was cleared: SQL texts, and how often they waited for the server."""

    url: str = ""
    # A statement that is prepared already is not sent again.
    statements: list[str] = field(default_factory=list)
    round_trips: int = 0

    def clear(self) -> None:
        self.statements.clear()
        self.round_trips = 0

    def note(self, kind: bytes, content: bytes) -> None:
        # PostgreSQL, "Message Formats": Query, Parse, Sync. The server answers a Query or a Sync, nothing else.
        if kind == b"Q":
            self.statements.append(content.partition(b"\0")[0].decode())
        elif kind == b"P":
            self.statements.append(content.split(b"\0")[1].decode())
        self.round_trips += kind in b"QS"


@asynccontextmanager
async def counting(url: str) -> AsyncIterator[Counted]:
    """A server on loopback that passes everything on to the one whose socket `url` names."""
    parts = urlsplit(url)
    where = parse_qs(parts.query)
    socket = f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}"
    counted = Counted()
    both = set[asyncio.Task[None]]()

    async def serve(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(socket)
        both.update(
            [
                asyncio.create_task(_counted(client, to_server, counted)),
                asyncio.create_task(_copied(server, to_client)),
            ]
        )

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        counted.url = f"postgresql://postgres@127.0.0.1:{port}{parts.path}?sslmode=disable"
        yield counted
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)


async def _counted(client: asyncio.StreamReader, to_server: asyncio.StreamWriter, counted: Counted) -> None:
    # The first message, alone, says no kind.
    kind = b""
    with suppress(asyncio.IncompleteReadError):
        while True:
            length = await client.readexactly(4)
            content = await client.readexactly(int.from_bytes(length) - 4)
            counted.note(kind, content)
            to_server.write(kind + length + content)
            kind = await client.readexactly(1)
    to_server.close()


async def _copied(server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
    while content := await server.read(65_536):
        to_client.write(content)
    to_client.close()
