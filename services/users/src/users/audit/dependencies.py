"""How the audit trail is opened: in a transaction to write, outside any to read."""

import re
from typing import Annotated

from fastapi import Depends, Query, Request

from core.dependencies import ReadSession, ResourcesDep, Session, page, requires
from core.resources import Resources
from core.telemetry.exchange import request_id
from core.tokens import Principal
from core.web.pages import Page
from users.audit.repository import AuditQueries, AuditRepository
from users.audit.schemas import AuditQuery
from users.audit.service import Audit, AuditTrail

# As the chassis and W3C Trace Context make them, or a UUID.
_NUMBER = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def build(session: Session, resources: Resources) -> Audit:
    """The trail, in the transaction of `session`."""
    return Audit(repository=AuditRepository(session), clock=resources.clock, request_id=_nobodys_words(request_id()))


def _nobodys_words(request_id: str | None) -> str | None:
    """The id, if it is a number: a client may send any text as one, and what is written here cannot be erased."""
    return request_id if request_id and _NUMBER.fullmatch(request_id) else None


async def _trail(reads: ReadSession) -> AuditTrail:
    return AuditTrail(AuditQueries(reads))


AuditQueryDep = Annotated[AuditQuery, Query()]


async def _page(request: Request, resources: ResourcesDep, query: AuditQueryDep) -> Page:
    return page(request, resources, query)


AuditTrailDep = Annotated[AuditTrail, Depends(_trail)]
AuditPageDep = Annotated[Page, Depends(_page)]
Auditor = Annotated[Principal, Depends(requires("audit:read"))]
