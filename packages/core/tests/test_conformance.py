"""The example service keeps the conventions of every service."""

from core.testing import Conformance


class TestConformance(Conformance):
    """The suite that every service inherits."""
