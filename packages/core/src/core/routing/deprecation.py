"""Operations and versions that are on their way out: what their answers say, and that it makes sense."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from core.marks import Function, Mark
from core.routing.media_types import TypedRoute
from core.telemetry.exchange import EXCHANGE

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """Since when an operation is not to be used, when it goes, and what takes its place.

    Days begin at midnight UTC. `successor` is the path of a route; of a whole router, it is the prefix of another one
    that has every operation of the first.
    """

    since: date
    sunset: date | None = None
    successor: str | None = None

    def of(self, path: str) -> "Deprecation":
        """The deprecation of one operation, by its path below the prefix of a router that is deprecated as a whole."""
        return replace(self, successor=None if self.successor is None else self.successor + path)

    def headers(self, public_url: str, path_parameters: Mapping[str, Any]) -> list[Header]:
        """`Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link` (RFC 5829), which starts with `public_url`."""
        found = [(b"deprecation", b"@%d" % _midnight(self.since).timestamp())]
        if self.sunset is not None:
            found.append((b"sunset", format_datetime(_midnight(self.sunset), usegmt=True).encode()))
        if self.successor is not None:
            values = {name: quote(str(value), safe="") for name, value in path_parameters.items()}
            link = f'<{public_url}{self.successor.format_map(values)}>; rel="successor-version"'
            found.append((b"link", link.encode()))
        return found


# Of one handler; a router may be deprecated as a whole.
OWN_DEPRECATION: Mark[Deprecation] = Mark("deprecation")


def deprecated(
    *, since: date, sunset: date | None = None, successor: str | None = None
) -> Callable[[Function], Function]:
    """Marks a handler, below its route decorator, as Deprecation says."""
    return OWN_DEPRECATION.put(Deprecation(since=since, sunset=sunset, successor=successor))


class DeprecatedRoute(TypedRoute):
    """An operation whose every answer, whoever gives it, says that it is deprecated; the others pay nothing for it."""

    def __init__(self, *arguments: Any, deprecation: Deprecation, **options: Any) -> None:
        super().__init__(*arguments, **options | {"deprecated": True})
        self.deprecation = deprecation

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        # Not a 405, which says that there is no such operation.
        if scope["method"] in (self.methods or ()):
            exchange, app = scope[EXCHANGE], scope["app"]
            exchange.headers += self.deprecation.headers(app.settings.public_url, scope["path_params"])
            app.deprecated_requests.add(operation=self.unique_id)
        await super().handle(scope, receive, send)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
