"""The factory of every service, and of the gateway."""

from core.application.app import ChassisApp
from core.application.chassis import chassis
from core.application.factory import service

__all__ = ["ChassisApp", "chassis", "service"]
