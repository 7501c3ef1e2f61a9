"""Routes: declared once, shared by apps, found in constant time, checked at boot."""

from core.routing.checks import RoutingError, check
from core.routing.index import install, installed
from core.routing.providers import function_scoped
from core.routing.router import Router, register
from core.routing.serving import serving

__all__ = ["Router", "RoutingError", "check", "function_scoped", "install", "installed", "register", "serving"]
