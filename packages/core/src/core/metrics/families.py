"""One family of metrics: a name, its labels, and what gives its values when somebody asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

# One value, or one for each combination of label values, in the order of the labels. None at all: an empty mapping.
Reading = float | Mapping[tuple[str, ...], float]
Read = Callable[[], Reading]

log = structlog.get_logger("core.metrics")


class Counter:
    """Counts what happens; it only ever rises."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._labels = labels
        # Without labels, nothing yet is a value too.
        self._counts: dict[tuple[str, ...], float] = {} if labels else {(): 0}

    def add(self, amount: float = 1, **labels: str) -> None:
        """Counts `amount` more; each label needs a value, out of a set that callers cannot make larger.

        Raises:
            TypeError: a label lacks, or is none of this counter's.
            ValueError: `amount` is negative.
        """
        if labels.keys() != set(self._labels):
            raise TypeError(f"labels {sorted(labels)} given, {sorted(self._labels)} wanted")
        if amount < 0:
            raise ValueError("a counter does not fall")
        values = tuple(labels[name] for name in self._labels)
        self._counts[values] = self._counts.get(values, 0) + amount

    def read(self) -> Reading:
        """What was counted so far."""
        return dict(self._counts)


@dataclass(frozen=True, slots=True)
class Family:
    """A counter or a gauge, whose values somebody else keeps."""

    kind: type[CounterMetricFamily] | type[GaugeMetricFamily]
    name: str
    help: str
    labels: tuple[str, ...]
    read: Read

    def collected(self) -> Metric:
        """Its values now; one that cannot be read has none, and breaks no scrape."""
        try:
            return self._filled(self.read())
        except Exception:
            log.exception("a metric cannot be read", metric=self.name)
            return self._filled({})

    def _filled(self, reading: Reading) -> Metric:
        family = self.kind(self.name, self.help, labels=self.labels, unit=_unit(self.name))
        for values, value in (reading if isinstance(reading, Mapping) else {(): reading}).items():
            family.add_metric([str(each) for each in values], float(value))
        return family


def _unit(name: str) -> str:
    """What OpenMetrics says beside the name, which ends in it."""
    return "seconds" if name.endswith("_seconds") else ""
