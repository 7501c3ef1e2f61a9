"""What a handler may ask for: one alias a need, all of them at module level."""

from core.dependencies.database import ReadSession, Session
from core.dependencies.idempotent import RequestKey, idempotent
from core.dependencies.identity import Caller, requires
from core.dependencies.paging import PageDep, page
from core.dependencies.resources import ClockDep, ResourcesDep, SettingsDep, resources_of

__all__ = [
    "Caller",
    "ClockDep",
    "PageDep",
    "ReadSession",
    "RequestKey",
    "ResourcesDep",
    "Session",
    "SettingsDep",
    "idempotent",
    "page",
    "requires",
    "resources_of",
]
