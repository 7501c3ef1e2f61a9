"""The kinds of value that a setting can have beyond numbers and text, each saying in words what it accepts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, IPvAnyNetwork, PlainSerializer, Secret, SecretStr

from core.redaction import redact

Item = TypeVar("Item")

_SENDER = re.compile(r"(?:[^<>@\r\n]+ <[^<>@\s]+@[^<>@\s]+>)|[^<>@\s]+@[^<>@\s]+")


@dataclass(frozen=True, slots=True)
class Accepts:
    """Stands in a type's annotation: what a value looks like, and how to come by one. Reports and docs quote it."""

    what: str
    how: str = ""


class SecretUrl(Secret[str]):
    """An address that may carry a password: shown without it, complete only from `get_secret_value()`."""

    def _display(self) -> str:
        return redact(self.get_secret_value())


def _parsed(url: str) -> SplitResult | None:
    # urlsplit drops tabs and newlines silently, and its own errors quote what they refuse.
    if re.search(r"[\t\r\n]", url):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
    except ValueError:
        return None
    return parts


def _web_url(url: str) -> str:
    parts = _parsed(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or " " in url:
        raise ValueError("it is not an http or https URL")
    if "@" in parts.netloc:
        raise ValueError("it carries credentials")
    if url.endswith("/") or "?" in url or "#" in url:
        raise ValueError("it ends in a slash, or has a query or a fragment")
    return url


def _cors_origin(origin: str) -> str:
    if origin != "*" and urlsplit(_web_url(origin)).path:
        raise ValueError("an origin has no path")
    return origin


def _secret_parts(url: SecretUrl) -> SplitResult:
    parts = _parsed(url.get_secret_value())
    # Where a password ends early, its rest stands where the port, the path or the query would.
    if parts is None or "@" in parts.path + parts.query or parts.fragment:
        raise ValueError("it is not well formed; in a password, write @ as %40, / as %2F, # as %23 and ? as %3F")
    return parts


def _database_url(url: SecretUrl) -> SecretUrl:
    parts = _secret_parts(url)
    if parts.scheme not in {"postgresql", "postgresql+asyncpg"}:
        raise ValueError("it is not a postgresql:// URL")
    if not parts.path.strip("/"):
        raise ValueError("it names no database")
    if not parts.hostname and "host=" not in parts.query:
        raise ValueError("it names no host")
    return url


def _mail_url(url: SecretUrl) -> SecretUrl:
    parts = _secret_parts(url)
    folder = parts.scheme == "file" and parts.path and not parts.netloc
    server = parts.scheme in {"smtp", "smtps"} and parts.hostname
    if not folder and not server:
        raise ValueError("it is neither smtp://host:port nor file:folder")
    return url


def _sender(address: str) -> str:
    if not _SENDER.fullmatch(address):
        raise ValueError("it is not a mail address")
    return address


def _frozen(mapping: Mapping[str, Item]) -> Mapping[str, Item]:
    return MappingProxyType(dict(mapping))


WebUrl = Annotated[str, AfterValidator(_web_url), Accepts("an http or https URL without a slash at its end")]
CorsOrigin = Annotated[
    str, AfterValidator(_cors_origin), Accepts("an origin such as https://app.example.com, or * for any")
]
DatabaseUrl = Annotated[
    SecretUrl,
    AfterValidator(_database_url),
    Accepts("postgresql://user:password@host:5432/database, or postgresql:///database?host=/socket/folder"),
]
MailUrl = Annotated[
    SecretUrl,
    AfterValidator(_mail_url),
    Accepts("smtp://user:password@host:587, smtps://user:password@host:465, or file:folder to keep mail in a folder"),
]
Sender = Annotated[str, AfterValidator(_sender), Accepts("a mail address, or Name <address>")]
SecretKey = Annotated[
    SecretStr,
    Accepts(
        "at least 32 random characters",
        'make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"',
    ),
]
Network = Annotated[IPvAnyNetwork, Accepts("a network such as 10.0.0.0/8")]
# A plain dict would let a frozen settings object change.
Frozen = Annotated[Mapping[str, Item], AfterValidator(_frozen), PlainSerializer(dict)]
