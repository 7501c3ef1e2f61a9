"""The servers of a NATS, as the setting names them, each with who we are there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

PORT = 4222


@dataclass(frozen=True, slots=True)
class Server:
    """One server; its credentials are never part of its URL."""

    host: str
    port: int
    is_tls: bool
    # A user and a password, or a token, as the client names them.
    credentials: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """Where it is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.is_tls else 'nats'}://{host}:{self.port}"


def parse_servers(urls: str) -> Sequence[Server]:
    """From `nats://user:password@host:4222`, several with commas between them; a user alone is a token."""
    return [_parsed(url) for url in urls.split(",")]


def _parsed(url: str) -> Server:
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    named = {"user": user, "password": password} if password else {"token": user}
    return Server(parts.hostname or "", parts.port or PORT, parts.scheme == "tls", named if user else {})
