"""All metrics of one service: registered by whoever measures, rendered from memory when they are scraped."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from core.metrics.families import Counter, Family, Read
from core.metrics.process import process_families
from core.metrics.requests import RequestMetrics


class Metrics:
    """The metrics of one service. Two services in one process share none.

    A family may be registered again, when a service starts again: a counter counts on, and the new reader is asked.
    """

    def __init__(self) -> None:
        self.requests = RequestMetrics()
        self._families: dict[str, Family] = {}
        self._counters: dict[str, Counter] = {}

    def counter(self, name: str, help: str, *labels: str) -> Counter:  # noqa: A002 - Prometheus calls it that
        """What counts events; `name` ends in `_total`.

        Raises:
            ValueError: the name is none that Prometheus knows, or means something else already.
        """
        counter = self._counters.setdefault(name, Counter(labels))
        self._register(Family(CounterMetricFamily, name, help, labels, counter.read))
        return counter

    def counted(self, name: str, help: str, read: Read, *labels: str) -> None:  # noqa: A002 - as above
        """A counter that somebody else keeps: `read` gives its value, or one for each tuple of label values.

        Raises:
            ValueError: the name is none that Prometheus knows, or means something else already.
        """
        self._register(Family(CounterMetricFamily, name, help, labels, read))

    def gauge(self, name: str, help: str, read: Read, *labels: str) -> None:  # noqa: A002 - as above
        """What rises and falls: `read` gives its value, or one for each tuple of label values, and waits for nothing.

        Raises:
            ValueError: the name is none that Prometheus knows, or means something else already.
        """
        self._register(Family(GaugeMetricFamily, name, help, labels, read))

    def collect(self) -> Iterable[Metric]:
        """Every family with its values now."""
        return chain(self.requests.collect(), [family.collected() for family in self._families.values()])

    async def render(self, accept: str = "") -> tuple[bytes, str]:
        """The exposition and its media type: OpenMetrics for who accepts it, Prometheus' text for all others.

        The values are read at once; they become text in a thread, because those of a large service take a while. Those
        of the process, of which there is one whatever runs in it, are read there, too.
        """
        encode, media_type = choose_encoder(accept)
        return await asyncio.to_thread(encode, _Scrape(chain(self.collect(), process_families()))), media_type

    def _register(self, family: Family) -> None:
        # Refuses a name that would break every scrape.
        family.kind(family.name, family.help)
        known = self._families.get(family.name, family)
        if (known.kind, known.help, known.labels) != (family.kind, family.help, family.labels):
            raise ValueError(f"{family.name} means something else already")
        self._families[family.name] = family


@dataclass(frozen=True, slots=True)
class _Scrape:
    """A collector of what was read already."""

    families: Iterable[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.families
