"""What a host may replace in the services it runs; the defaults are the real ones, made from settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.clock import Clock, SystemClock
from core.events.bus import Bus
from core.mail import Mail

if TYPE_CHECKING:
    # Imported by those who are told of spans, or call a sibling.
    import httpx
    from opentelemetry.sdk.trace import SpanProcessor


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The replaceable collaborators of a service."""

    clock: Clock = field(default_factory=SystemClock)
    # None: the one that the setting `mail.url` names.
    mail: Mail | None = None
    # None: the one that the setting `events.url` names.
    bus: Bus | None = None
    # Told of every span of the service, and closed by whoever made them.
    span_processors: "Sequence[SpanProcessor]" = ()
    # How a sibling service is reached, by its name; one that is not here is reached over the network.
    transports: "Mapping[str, httpx.AsyncBaseTransport]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Who may sign in to a freshly made local system."""

    admin_email: str
    admin_password: str = field(repr=False)
