"""Rate, errors and duration of requests, counted in plain dictionaries: every request pays for this."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

# Seconds; OpenTelemetry's advice for http.server.request.duration.
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
# RFC 9110, RFC 5789 and QUERY: what OpenTelemetry counts by name.
METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
# OpenTelemetry's word for any other, so that a client cannot make a label of its own.
OTHER = "_OTHER"
# The first status that is an error of the server's.
SERVER_ERRORS = 500

_LABELS = ("http_request_method", "http_route", "http_response_status_code", "error_type")
_BOUNDS = (*map(str, BUCKETS_S), "+Inf")
_Key = tuple[str, str, int, str | None]


class RequestMetrics:
    """The requests of one service: how many run, and how long each took, by method, route, status and error."""

    def __init__(self) -> None:
        self.active = 0
        # For each key the requests in each bucket, then the sum of their seconds.
        self._series: dict[_Key, list[float]] = {}

    def ended(self, *, method: str, route: str, status: int, error: str | None, seconds: float) -> None:
        """Counts a request; status 0 says that it ended without a response.

        `route` is a template, and `error` says what went wrong where the status does not: both from a small set.
        """
        key = (method, route, status, error if status < SERVER_ERRORS else None)
        try:
            series = self._series[key]
        except KeyError:
            # Only here: a method that is a key is one that we know.
            key = (method if method in METHODS else OTHER, *key[1:])
            series = self._series.setdefault(key, [0.0] * (len(BUCKETS_S) + 2))
        series[bisect_left(BUCKETS_S, seconds)] += 1
        series[-1] += seconds

    def collect(self) -> Iterator[Metric]:
        """Both families, as they are now; what costs time is done when they are iterated, by whichever thread."""
        return _families([(key, tuple(series)) for key, series in self._series.items()], active=self.active)


def _families(series: list[tuple[_Key, tuple[float, ...]]], *, active: int) -> Iterator[Metric]:
    duration = HistogramMetricFamily(
        "http_server_request_duration_seconds", "How long requests took.", labels=_LABELS, unit="seconds"
    )
    for (method, route, status, error), (*counts, total_s) in series:
        labels = (method, route, str(status) if status else "", _error_type(status, error))
        duration.add_metric(labels, list(zip(_BOUNDS, accumulate(counts), strict=True)), total_s)
    yield duration
    yield GaugeMetricFamily(
        "http_server_active_requests", "Requests that run now, the scrape among them.", value=active
    )


def _error_type(status: int, error: str | None) -> str:
    """OpenTelemetry's `error.type`: the status where that says it all; empty is, to Prometheus, no label."""
    return str(status) if status >= SERVER_ERRORS else error or ""
