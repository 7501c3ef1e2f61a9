"""Routes: declared once, shared by apps, found in constant time, checked at boot."""

from core.routing.access import asks_for_the_caller, identifies_the_caller, is_public, public
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
    "asks_for_the_caller",
    "check",
    "deprecated",
    "function_scoped",
    "identifies_the_caller",
    "inactive",
    "install",
    "installed",
    "is_public",
    "public",
    "register",
    "selected",
    "serving",
    "warn_if_inactive",
]
