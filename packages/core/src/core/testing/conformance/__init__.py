"""What every service does, wherever it runs; a service inherits it with `class TestConformance(Conformance)`."""

from core.testing.conformance.access import Access
from core.testing.conformance.bodies import Bodies
from core.testing.conformance.callers import Callers
from core.testing.conformance.contract import Contract
from core.testing.conformance.disconnects import Disconnects
from core.testing.conformance.documents import Documents
from core.testing.conformance.events import Events
from core.testing.conformance.exits import Exits
from core.testing.conformance.grounds import Grounds
from core.testing.conformance.headers import Headers
from core.testing.conformance.hostile import Hostile
from core.testing.conformance.imports import Imports
from core.testing.conformance.metrics import Metrics
from core.testing.conformance.parity import Parity
from core.testing.conformance.probes import Probes
from core.testing.conformance.routing import Routing
from core.testing.conformance.schema import Schema
from core.testing.conformance.secrets import Secrets
from core.testing.conformance.transactions import Transactions

__all__ = ["Conformance"]


class Conformance(
    Routing,
    Bodies,
    Exits,
    Disconnects,
    Hostile,
    Transactions,
    Callers,
    Access,
    Headers,
    Parity,
    Metrics,
    Probes,
    Documents,
    Contract,
    Schema,
    Imports,
    Events,
    Secrets,
    Grounds,
):
    """The suite, a topic a module; each test runs against the service standalone, mounted and behind the edge."""
