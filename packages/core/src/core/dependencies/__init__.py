"""What a handler may ask for: one alias a need, all of them at module level."""

from core.dependencies.database import ReadSession, Session
from core.dependencies.idempotent import RequestKey, idempotent
from core.dependencies.identity import Caller, requires
from core.dependencies.limited import limited
from core.dependencies.location import Created
from core.dependencies.paging import PageDep, page
from core.dependencies.resources import ClockDep, ResourcesDep, SettingsDep
from core.dependencies.versions import Conditional, ETag, IfMatch

__all__ = [
    "Caller",
    "ClockDep",
    "Conditional",
    "Created",
    "ETag",
    "IfMatch",
    "PageDep",
    "ReadSession",
    "RequestKey",
    "ResourcesDep",
    "Session",
    "SettingsDep",
    "idempotent",
    "limited",
    "page",
    "requires",
]
