"""What every service keeps to."""

from core.testing import Conformance


class TestConformance(Conformance):
    """The suite as core has it."""
