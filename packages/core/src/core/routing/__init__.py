"""Routes: declared once, shared by apps, found in constant time, checked at boot."""

from core.routing.checks import RoutingError, check
from core.routing.deprecation import Deprecation, deprecated
from core.routing.inactive import inactive, warn_if_inactive
from core.routing.index import install, installed
from core.routing.providers import function_scoped
from core.routing.router import Router, register
from core.routing.selection import selected
from core.routing.serving import serving

__all__ = [
    "Deprecation",
    "Router",
    "RoutingError",
    "check",
    "deprecated",
    "function_scoped",
    "inactive",
    "install",
    "installed",
    "register",
    "selected",
    "serving",
    "warn_if_inactive",
]
