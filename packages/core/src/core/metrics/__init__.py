"""What a service counts and measures; rendered for Prometheus when it is scraped, named as OpenTelemetry names it."""

from core.metrics.families import Counter, Read
from core.metrics.metrics import Metrics
from core.metrics.requests import OTHER, RequestMetrics

__all__ = ["OTHER", "Counter", "Metrics", "Read", "RequestMetrics"]
