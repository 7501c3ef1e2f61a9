"""How the audit trail is opened: in a transaction to write, outside any to read."""

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


def build(session: Session, resources: Resources) -> Audit:
    """The trail, in the transaction of `session`."""
    return Audit(repository=AuditRepository(session), clock=resources.clock, request_id=request_id())


async def _trail(reads: ReadSession) -> AuditTrail:
    return AuditTrail(AuditQueries(reads))


AuditQueryDep = Annotated[AuditQuery, Query()]


async def _page(request: Request, resources: ResourcesDep, query: AuditQueryDep) -> Page:
    return page(request, resources, query)


AuditTrailDep = Annotated[AuditTrail, Depends(_trail)]
AuditPageDep = Annotated[Page, Depends(_page)]
Auditor = Annotated[Principal, Depends(requires("audit:read"))]
