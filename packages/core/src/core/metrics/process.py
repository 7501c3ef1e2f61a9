"""What the operating system says of this process, by the names that every client library of Prometheus has for it."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.process_collector import ProcessCollector


def process_families() -> Iterator[Metric]:
    """Processor time, memory, open files and the start, where there is a /proc; read when iterated, which may wait."""
    yield from ProcessCollector(registry=None).collect()
