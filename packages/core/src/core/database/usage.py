"""How busy the pools are, as metrics; OpenTelemetry's names for clients of databases."""

from core.database.engine import Database
from core.metrics import Metrics

_POOL = "db_client_connection_pool_name"
_STATE = "db_client_connection_state"


def measure_pools(database: Database, metrics: Metrics) -> None:
    """Registers the connections of both pools: `write` for transactions, `read` for what only reads."""
    writing, reading = database.pool, database.reads.pool

    def count() -> dict[tuple[str, ...], float]:
        idle = reading.get_idle_size()
        return {
            ("write", "used"): writing.checkedout(),
            ("write", "idle"): writing.checkedin(),
            ("read", "used"): reading.get_size() - idle,
            ("read", "idle"): idle,
        }

    metrics.gauge(
        "db_client_connection_count", "Connections, by pool (write, read) and state (used, idle).", count, _POOL, _STATE
    )
    metrics.gauge(
        "db_client_connection_max",
        "Connections that a pool may have.",
        lambda: {("write",): writing.size(), ("read",): reading.get_max_size()},
        _POOL,
    )
    metrics.gauge(
        "db_client_connection_pending_requests",
        "Who waits for a connection of a pool.",
        lambda: {("write",): writing.waiting, ("read",): database.reads.free.waiting},
        _POOL,
    )
