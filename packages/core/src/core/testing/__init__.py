"""The test kit of every service: a real database, an application with its ports replaced, a conformance suite."""

from core.testing.applications import SERVICE_URL, Host, running
from core.testing.clocks import MovableClock
from core.testing.conformance import Conformance
from core.testing.problems import problem
from core.testing.wire import Wire

__all__ = ["SERVICE_URL", "Conformance", "Host", "MovableClock", "Wire", "problem", "running"]
