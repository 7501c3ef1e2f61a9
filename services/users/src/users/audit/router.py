"""The audit trail over HTTP: it is read, and never written."""

from operator import attrgetter

from core.routing import Router
from core.web.pages import PageOf
from users.audit.dependencies import Auditor, AuditPageDep, AuditQueryDep, AuditTrailDep
from users.audit.schemas import AuditEventRead

router = Router(prefix="/v1/audit-events", tags=["audit_events"])


@router.get("")
async def list_audit_events(
    query: AuditQueryDep, page: AuditPageDep, trail: AuditTrailDep, _auditor: Auditor
) -> PageOf[AuditEventRead]:
    """Who did what to whom, the newest first."""
    rows = await trail.page(query.filters(), after=page.after, limit=page.limit)
    return page.of(rows, item=AuditEventRead.of, position=attrgetter("occurred_at", "id"))
