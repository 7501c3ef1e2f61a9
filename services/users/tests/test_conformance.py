"""What every service keeps to."""

from core.testing import Conformance


class TestConformance(Conformance):
    """The suite, for a service that issues tokens itself and asks elsewhere whether a password has leaked."""

    of_its_own = frozenset({"cryptography", "httpx", "jwt"})
