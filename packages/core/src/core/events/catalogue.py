"""All that one service declares about events: what it announces, what it handles, and how it tells again what is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from opentelemetry.trace import Tracer

from core.clock import Clock
from core.events.declarations.announcements import Announced, Announcements, joined
from core.events.declarations.handlers import Handlers, Subscription
from core.events.declarations.replays import Replay, Replays
from core.events.outbox import Outbox
from core.tracing import NO_TRACER


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The events of one service, of all its slices."""

    service: str
    announced: Mapping[str, type[Announced]]
    subscriptions: Sequence[Subscription]
    replays: Sequence[Replay]

    @property
    def deferred(self) -> frozenset[str]:
        """The types that the service tells itself alone: work that it does later."""
        own = {each.type for each in self.subscriptions if each.source is None}
        return frozenset(own - self.announced.keys())

    @classmethod
    def of(
        cls,
        service: str,
        *,
        announces: Sequence[Announcements] = (),
        handlers: Sequence[Handlers] = (),
        replays: Sequence[Replays] = (),
    ) -> Self:
        """What the slices of `service` declare.

        Raises:
            ValueError: two slices announce one type, or tell again one kind of thing; or a handler names its own
                service, which it would be given its events twice by.
        """
        told_again = [replay for table in replays for replay in table.declared]
        names = [replay.name for replay in told_again]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is told again by two slices")
        subscriptions = [each for table in handlers for each in table.subscriptions]
        own = [each.consumer for each in subscriptions if each.source == service]
        if own:
            raise ValueError(f"{', '.join(own)} names its own service: leave out the source")
        return cls(service, joined(announces), subscriptions, told_again)

    def outbox(self, clock: Clock, tracer: Tracer = NO_TRACER) -> Outbox:
        """What takes the events that are declared, and no others."""
        return Outbox(clock=clock, announced=self.announced, deferred=self.deferred, tracer=tracer)
