"""The kinds of value that a setting can have beyond numbers and text, each saying in words what it accepts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Annotated, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, IPvAnyNetwork, PlainSerializer, Secret, SecretStr

from core.redaction import redact
from core.settings.rates import ACCEPTED, OFF, rate

Item = TypeVar("Item")

# Narrower than a token of RFC 9110 (section 5.6.2), and enough for every method and header name in use.
_TOKEN = re.compile(r"[A-Za-z0-9._-]+|\*")
_SENDER = re.compile(r"(?:[^<>@\r\n]+ <[^<>@\s]+@[^<>@\s]+>)|[^<>@\s]+@[^<>@\s]+")


@dataclass(frozen=True, slots=True)
class Accepts:
    """Stands in a type's annotation: what a value looks like, and how to come by one. Reports and docs quote it."""

    what: str
    how: str = ""
    # No secret, even in a setting that is named like one: how often a password may be reset.
    is_public: bool = False


class Fault(ValueError):
    """A refusal in words that quote nothing of what is refused: no mask may cut them where both share a word."""


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
        raise Fault("it is not an http or https URL")
    if "@" in parts.netloc:
        raise Fault("it carries credentials")
    if url.endswith("/") or "?" in url or "#" in url:
        raise Fault("it ends in a slash, or has a query or a fragment")
    return url


def _cors_origin(origin: str) -> str:
    if origin != "*" and urlsplit(_web_url(origin)).path:
        raise Fault("an origin has no path")
    return origin


def _secret_parts(url: SecretUrl) -> SplitResult:
    parts = _parsed(url.get_secret_value())
    # Where a password ends early, its rest stands where the port, the path or the query would.
    if parts is None or "@" in parts.path + parts.query or parts.fragment:
        raise Fault("it is not well formed; in a password, write @ as %40, / as %2F, # as %23 and ? as %3F")
    # No part of a URL (RFC 3986, appendix C): the redactor takes it for the end of one, and would show the rest.
    if re.search(r"""[\s"<>]""", parts.netloc):
        raise Fault("it holds a space, a quote, < or >; in a password, write them as %20, %22, %3C and %3E")
    return parts


def _database_url(url: SecretUrl) -> SecretUrl:
    parts = _secret_parts(url)
    if parts.scheme not in {"postgresql", "postgresql+asyncpg"}:
        raise Fault("it is not a postgresql:// URL")
    if not parts.path.strip("/"):
        raise Fault("it names no database")
    if not parts.hostname and "host=" not in parts.query:
        raise Fault("it names no host")
    return url


def _mail_url(url: SecretUrl) -> SecretUrl:
    parts = _secret_parts(url)
    folder = parts.scheme == "file" and parts.path and not parts.netloc
    server = parts.scheme in {"smtp", "smtps"} and parts.hostname
    if not folder and not server:
        raise Fault("it is neither smtp://host:port nor file:folder")
    return url


def _bus_url(url: SecretUrl) -> SecretUrl:
    if url.get_secret_value() == "local:":
        return url
    for server in url.get_secret_value().split(","):
        parts = _secret_parts(SecretUrl(server))
        if not server.startswith(("nats://", "tls://")) or not parts.hostname or parts.path or parts.query:
            raise Fault("it is neither nats://host:port (several with commas between them) nor local:")
    return url


def _counts_url(url: SecretUrl) -> SecretUrl:
    parts = _secret_parts(url)
    if parts.scheme == "memory" and not parts.netloc and not parts.path:
        return url
    server = parts.scheme in {"redis", "rediss", "valkey", "valkeys"} and parts.hostname
    if not server or not re.fullmatch(r"(/\d*)?", parts.path) or parts.query:
        raise Fault("it is neither memory:// nor valkey://host:port/number")
    if find_spec("valkey") is None:
        raise Fault("what speaks to such a server is not installed: the service has to depend on core[valkey]")
    return url


def _rate(text: str) -> str:
    rate(text)
    return text


def _limit(text: str | None) -> str | None:
    return None if text is None or text == OFF else _rate(text)


def _sender(address: str) -> str:
    if not _SENDER.fullmatch(address):
        raise Fault("it is not a mail address")
    return address


def _token(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise Fault("it has more than letters, digits, ., _ and - in it")
    return name


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
BusUrl = Annotated[
    SecretUrl,
    AfterValidator(_bus_url),
    Accepts("nats://user:password@host:4222 (or tls, several with commas), or local: for services of one process"),
]
CountsUrl = Annotated[
    SecretUrl,
    AfterValidator(_counts_url),
    Accepts("memory:// for this process alone, or valkey://user:password@host:6379/0 (valkeys, redis, rediss)"),
]
Rate = Annotated[str, AfterValidator(_rate), Accepts(ACCEPTED, is_public=True)]
# None where it is off: `sign_in: Limit = Field(default="30/minute")` can be switched off by an operator.
Limit = Annotated[str | None, AfterValidator(_limit), Accepts(f"{ACCEPTED}, or {OFF}", is_public=True)]
Sender = Annotated[str, AfterValidator(_sender), Accepts("a mail address, or Name <address>")]
Token = Annotated[str, AfterValidator(_token), Accepts("a name of letters, digits, ., _ and -, or * for any")]
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
